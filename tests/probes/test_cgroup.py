"""Trees as the drivers and runtimes make them, with what must follow.

The layouts are those of Kubernetes (kubelet, containerd, CRI-O, Docker); the contents are written by hand.
"""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import UNLIMITED, Cgroup, Unread
from checker.probes import cgroup, cgroup_v1, cgroup_v2
from checker.probes.hierarchy import read_hierarchies
from checker.units import GIB, MIB

ID = "0123456789abcdef" * 4
UID = "7a3c5a5e-1f2b-4c3d-8e9f-0123456789ab"
POD = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
V2_MOUNT = "30 1 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
STAT = "anon 300\nfile 50\nkernel 20\ninactive_file 30\nactive_file 10\nslab_reclaimable 5\nshmem 10\n"


def v2_level(limit: str = "max", current: int = 400, **more: str) -> Mapping[str, str]:
    return {
        "memory.max": f"{limit}\n",
        "memory.current": f"{current}\n",
        "memory.high": "max\n",
        "memory.swap.max": "0\n",
        "memory.stat": STAT,
        "memory.oom.group": "0\n",
        "memory.events": "oom 0\noom_kill 2\n",
        "pids.max": "max\n",
        "pids.current": "5\n",
        "cpu.max": "max 100000\n",
        "cgroup.type": "domain\n",
    } | {name.replace("__", "."): text for name, text in more.items()}


def v2_tree(path: str, levels: Mapping[str, Mapping[str, str]], mount: str = V2_MOUNT) -> dict[str, str]:
    """A machine with cgroup v2: directory below the mount → its files."""
    files = {"proc/self/mountinfo": mount, "proc/7/cgroup": f"0::{path}\n", "sys/fs/cgroup/cgroup.procs": ""}
    for directory, contents in levels.items():
        files |= {f"sys/fs/cgroup/{directory}/{name}": text for name, text in contents.items()}
    return files


def read(root) -> Cgroup:
    group = cgroup.read(root / "proc/7", read_hierarchies(root))
    assert isinstance(group, Cgroup)
    return group


def test_the_smallest_limit_of_all_levels_binds(tree):
    scope = f"{POD}/cri-containerd-{ID}.scope"
    root = tree(v2_tree(f"/{scope}", {scope: v2_level(str(GIB)), POD: v2_level(str(512 * MIB)),
                                      "kubepods.slice": v2_level(str(8 * GIB))}))  # fmt: skip
    group = read(root)
    assert [level.memory_max for level in group.levels] == [GIB, 512 * MIB, 8 * GIB]
    limit = cgroup.memory_limit(group)
    assert limit.value == 512 * MIB
    assert limit.source == f"{root}/sys/fs/cgroup/{POD}/memory.max"
    assert (group.pod_uid, group.container_id, group.ancestors_hidden) == (UID, ID, False)


def test_one_level_has_all_its_facts(tree):
    level = read(tree(v2_tree("/a", {"a": v2_level("1000", memory__oom__group="1\n")}))).levels[0]
    assert (level.memory_max, level.memory_high, level.swap_max, level.memory_current) == (1000, UNLIMITED, 0, 400)
    assert (level.anon, level.file, level.kernel, level.shmem) == (300, 50, 20, 10)
    assert (level.oom_group, level.oom_kills) == (True, 2)
    assert level.unreclaimable() == 400 - 30 - 10 - 5


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"/kubepods/burstable/pod{UID}/{ID}", id="cgroupfs driver"),
        pytest.param(f"/{POD}/crio-{ID}.scope/container", id="CRI-O with crun's sub-cgroup"),
        pytest.param(f"/kubelet.slice/kubelet-{POD}/cri-containerd-{ID}.scope", id="kind"),
    ],
)
def test_the_limit_of_the_level_that_the_runtime_set_is_found(tree, path):
    """crun sets it on the sub-cgroup, others one above: all levels count, whatever their names."""
    parent = path[1:].rpartition("/")[0]
    group = read(tree(v2_tree(path, {path[1:]: v2_level(str(GIB)), parent: v2_level(str(2 * GIB))})))
    assert cgroup.memory_limit(group).value == GIB
    assert (group.pod_uid, group.container_id) == (UID, ID)


def test_inside_a_container_the_mount_is_its_own_cgroup(tree):
    """A private cgroup namespace: `0::/`, and a pod's limit above cannot be seen."""
    group = read(tree(v2_tree("/", {".": v2_level(str(GIB))})))
    assert cgroup.memory_limit(group).value == GIB
    assert group.ancestors_hidden
    assert (group.pod_uid, group.container_id) == (None, None)


def test_the_true_root_limits_nothing(tree):
    group = read(tree(v2_tree("/", {".": {"memory.stat": STAT}})))
    assert group.levels == ()
    assert cgroup.memory_limit(group).value is UNLIMITED
    assert not group.ancestors_hidden


def test_a_daemonset_sees_another_pods_cgroup_below_host(tree):
    scope = f"{POD}/cri-containerd-{ID}.scope"
    files = v2_tree(f"/../../{POD.rpartition('/')[2]}/cri-containerd-{ID}.scope", {scope: v2_level(str(GIB))})
    root = tree(files)
    mounts = f"{V2_MOUNT}31 1 0:29 /../../../.. {root}/sys/fs/cgroup rw - cgroup2 cgroup rw\n"
    (root / "proc/self/mountinfo").write_text(mounts)
    group = read(root)
    assert group.levels[0].memory_max == GIB
    assert (group.pod_uid, group.container_id) == (UID, ID)


def test_a_limit_that_cannot_be_read_is_not_unlimited(tree):
    group = read(tree(v2_tree("/a/b", {"a/b": v2_level(str(GIB)), "a": v2_level("1x")})))
    assert isinstance(cgroup.memory_limit(group).value, Unread)


def test_the_group_dies_if_a_level_up_to_the_limit_says_so(tree):
    grouped = v2_level(str(GIB), memory__oom__group="1\n")
    inner = read(tree(v2_tree("/a/b", {"a/b": grouped, "a": v2_level(str(2 * GIB))})))
    assert cgroup.oom_group(inner) is True


def test_a_group_above_the_limit_is_not_asked(tree):
    """The kernel looks from the victim up to the cgroup that ran out, and no further."""
    above = v2_level(str(2 * GIB), memory__oom__group="1\n")
    assert cgroup.oom_group(read(tree(v2_tree("/a/b", {"a/b": v2_level(str(GIB)), "a": above})))) is False


def test_of_pids_the_level_with_the_least_room_counts(tree):
    inner = v2_level(pids__max="100\n", pids__current="3\n")
    outer = v2_level(pids__max="200\n", pids__current="190\n")
    group = read(tree(v2_tree("/a/b", {"a/b": inner, "a": outer})))
    assert (group.pids_max, group.pids_current) == (200, 190)


@pytest.mark.parametrize(
    ("inner", "outer", "cores"),
    [
        pytest.param("max 100000\n", "max 100000\n", UNLIMITED, id="none"),
        pytest.param("50000 100000\n", "max 100000\n", 0.5, id="half a core"),
        pytest.param("400000 100000\n", "150000 100000\n", 1.5, id="the smaller above"),
    ],
)
def test_the_smallest_cpu_quota_counts(tree, inner, outer, cores):
    levels = {"a/b": v2_level(cpu__max=inner), "a": v2_level(cpu__max=outer)}
    assert read(tree(v2_tree("/a/b", levels))).cpu_quota_cores == cores


@pytest.mark.parametrize("text", ["", "x 100000", "0 100000", "5 0", "-5 100"])
def test_what_is_no_quota_says_so(text):
    assert isinstance(cgroup.parse_cpu_max(text, "cpu.max"), Unread)


# --- version 1 -------------------------------------------------------------------------------------------------------

V1_STAT = (
    "cache 1\nrss 2\nhierarchical_memory_limit {limit}\ntotal_cache 50\ntotal_rss 300\ntotal_inactive_file 30\n"
    "total_active_file 10\ntotal_shmem 10\n"
)
NO_LIMIT = 9223372036854771712


def v1_level(limit: int, effective: int = NO_LIMIT, memsw: int | None = None) -> Mapping[str, str]:
    swap = {} if memsw is None else {"memory.memsw.limit_in_bytes": f"{memsw}\n"}
    return swap | {
        "memory.limit_in_bytes": f"{limit}\n",
        "memory.usage_in_bytes": "400\n",
        "memory.kmem.usage_in_bytes": "20\n",
        "memory.stat": V1_STAT.format(limit=effective),
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    }


def v1_tree(path: str, levels: Mapping[str, Mapping[str, str]], mount_root: str = "/") -> dict[str, str]:
    mounts = (
        f"35 31 0:32 {mount_root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        f"36 31 0:33 {mount_root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        f"37 31 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    )
    files = {"proc/self/mountinfo": mounts, "proc/7/cgroup": f"5:cpu,cpuacct:{path}\n4:memory:{path}\n0::/x.scope\n"}
    for directory, contents in levels.items():
        files |= {f"sys/fs/cgroup/memory/{directory}/{name}": text for name, text in contents.items()}
    return files


def test_in_a_hybrid_the_controller_is_read_where_it_is_mounted(tree):
    levels = {"docker/" + ID: v1_level(GIB, memsw=GIB + 100), "docker": v1_level(NO_LIMIT), ".": v1_level(NO_LIMIT)}
    files = v1_tree(f"/docker/{ID}", levels) | {
        "sys/fs/cgroup/memory/cgroup.sane_behavior": "0\n",
        f"sys/fs/cgroup/cpu,cpuacct/docker/{ID}/cpu.cfs_quota_us": "25000\n",
        f"sys/fs/cgroup/cpu,cpuacct/docker/{ID}/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us": "-1\n",
    }
    group = read(tree(files))
    level = group.levels[0]
    assert (group.version, group.container_id, group.ancestors_hidden) == (1, ID, False)
    assert [one.memory_max for one in group.levels] == [GIB, UNLIMITED, UNLIMITED]
    assert (level.anon, level.file, level.kernel, level.swap_max, level.oom_kills) == (300, 50, 20, 100, 3)
    assert (level.memory_high, level.oom_group) == (UNLIMITED, False)
    assert level.unreclaimable() == 360
    assert group.cpu_quota_cores == 0.25


def test_v1_tells_the_limit_of_levels_that_cannot_be_seen(tree):
    """A bind mount shows the container's cgroup only; `hierarchical_memory_limit` knows the pod's."""
    path = f"/kubepods/burstable/pod{UID}/{ID}"
    group = read(tree(v1_tree(path, {".": v1_level(NO_LIMIT, effective=512 * MIB)}, mount_root=path)))
    assert group.ancestors_hidden
    assert cgroup.memory_limit(group).value == 512 * MIB
    assert (group.pod_uid, group.container_id) == (UID, ID)


def test_without_swap_accounting_the_swap_limit_is_unread(tree):
    assert isinstance(read(tree(v1_tree("/a", {"a": v1_level(GIB)}))).levels[0].swap_max, Unread)


@pytest.mark.parametrize(("value", "limit"), [(2**62, UNLIMITED), (2**62 - 1, 2**62 - 1), (0, 0)])
def test_v1_writes_no_limit_as_a_huge_number(value, limit):
    assert cgroup_v1.parse_limit(value) == limit


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_process_without_a_cgroup_file_says_so(tree):
    root = tree({"proc/self/mountinfo": V2_MOUNT})
    assert isinstance(cgroup.read(root / "proc/7", read_hierarchies(root)), Unread)


def test_a_tree_without_cgroups_says_what_to_mount(tree):
    root = tree({"proc/7/cgroup": "0::/a\n"})
    answer = cgroup.read(root / "proc/7", read_hierarchies(root))
    assert isinstance(answer, Unread)
    assert answer.remedy


def test_old_kernels_list_the_parts_of_kernel_memory(tmp_path):
    table = cgroup_v2.parse_stat("anon 1\nslab 5\nkernel_stack 7\nslab_reclaimable 3\n", "memory.stat")
    assert cgroup_v2.kernel(table, tmp_path) == 12
    assert isinstance(cgroup_v2.kernel({}, tmp_path), Unread)


@given(st.text())
def test_no_text_makes_them_raise(text):
    cgroup.parse_limit(text, "")
    cgroup.parse_cpu_max(text, "")
    for value in cgroup_v2.parse_stat(text, "").values():
        assert isinstance(value, (int, Unread))
