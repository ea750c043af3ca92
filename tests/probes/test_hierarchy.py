from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes import hierarchy
from checker.probes.hierarchy import Hierarchy, locate, parse_membership
from checker.probes.mountinfo import Mount

HYBRID = "12:cpu,cpuacct:/a\n4:memory:/b\n1:name=systemd:/c\n0::/d\n"
V2 = frozenset({"rw"})


def test_each_controller_has_its_path_and_v2_the_empty_name():
    paths = parse_membership(HYBRID)
    assert (paths["cpu"], paths["cpuacct"], paths["memory"], paths[""]) == ("/a", "/a", "/b", "/d")


def test_colons_in_a_path_belong_to_it():
    assert parse_membership("0::/a:b\n") == {"": "/a:b"}


def test_under_host_the_containers_own_mounts_do_not_count():
    """A DaemonSet sees its own /sys/fs/cgroup, one cgroup only, beside the whole tree below /host."""
    own = Mount("/", "/sys/fs/cgroup", "cgroup2", V2)
    whole = Mount("/../../../..", "/host/sys/fs/cgroup", "cgroup2", V2)
    assert hierarchy.hierarchies((own, whole), Path("/host")) == (
        Hierarchy(2, Path("/host/sys/fs/cgroup"), "/../../../..", V2),
    )
    assert hierarchy.hierarchies((own,), Path("/captured"))[0].directory == Path("/captured/sys/fs/cgroup")


def test_without_mountinfo_the_usual_places_are_looked_at(tree):
    root = tree({"sys/fs/cgroup/memory/x": "", "sys/fs/cgroup/unified/cgroup.procs": ""})
    found = {(one.version, one.directory.name) for one in hierarchy.read_hierarchies(root)}
    assert found == {(1, "memory"), (2, "unified")}


def test_of_a_bind_mount_only_what_lies_below_its_root_is_named(tree):
    """Docker on v1: /sys/fs/cgroup/memory *is* the container's cgroup, and /proc/1/cgroup names it from the top."""
    root = tree({"memory/memory.limit_in_bytes": "1", "memory/sub/memory.limit_in_bytes": "1"})
    mounted = Hierarchy(1, root / "memory", "/docker/abc", frozenset({"memory"}))
    assert locate(mounted, "/docker/abc") == root / "memory"
    assert locate(mounted, "/docker/abc/sub") == root / "memory/sub"
    assert isinstance(locate(mounted, "/docker/other"), Unread)


def test_a_path_above_the_readers_namespace_is_looked_for_by_name(tree):
    """From inside a container another one's path reads /../cri-…scope: what is above is not named."""
    root = tree({"cg/kubepods.slice/pod1.slice/a.scope/x": "", "cg/kubepods.slice/pod2.slice/b[1].scope/x": ""})
    mounted = Hierarchy(2, root / "cg", "/../../..", V2)
    assert locate(mounted, "/../../pod2.slice/b[1].scope") == root / "cg/kubepods.slice/pod2.slice/b[1].scope"
    assert isinstance(locate(mounted, "/../../pod3.slice/c.scope"), Unread)


def test_two_places_that_fit_are_not_guessed_between(tree):
    root = tree({"cg/a/redis.service/x": "", "cg/b/redis.service/x": ""})
    answer = locate(Hierarchy(2, root / "cg", "/../..", V2), "/../redis.service")
    assert isinstance(answer, Unread)
    assert "2 cgroups" in answer.why


def test_a_removed_cgroup_is_not_there(tree):
    root = tree({"cg/x": ""})
    assert isinstance(locate(Hierarchy(2, root / "cg", "/", V2), "/gone (deleted)"), Unread)


@given(st.text(), st.text(min_size=1))
def test_no_text_makes_them_raise(text, path):
    parse_membership(text)
    parse_membership(f"0::/{text}")
    hierarchy.hierarchies((Mount("/", path, "cgroup2", V2),), Path("/host"))


@given(st.text(alphabet="./ab*?[]\0 -", max_size=30))
def test_no_path_leads_out_of_the_mount(tmp_path_factory, path):
    base = Path(tmp_path_factory.getbasetemp())
    (base / "cg" / "a").mkdir(parents=True, exist_ok=True)
    answer = locate(Hierarchy(2, base / "cg", "/", V2), f"/{path}")
    assert isinstance(answer, Unread) or answer.resolve().is_relative_to((base / "cg").resolve())
