from pathlib import Path

import pytest

from checker.facts import UNLIMITED, Child, Process, Unread
from checker.probes.inside import Inside
from checker.probes.observe import observe

FIXTURES = Path(__file__).parents[1] / "fixtures"
MIB = 2**20


def only(name: str, **more):
    seen = observe(FIXTURES / name, **more)
    assert seen.problems == ()
    (server,) = seen.servers
    assert isinstance(server.process, Process)
    return server


def test_a_captured_server_is_seen_with_all_its_facts():
    server = only("proc_redis_7.0_v1_cgroup")
    assert server.subject.name == "redis-server 127.0.0.1:17401"
    assert (server.engine.name, server.engine.version, server.engine.allocator) == ("redis", "7.0.15", "jemalloc-5.3.0")
    assert server.limit.value == 256 * MIB
    assert server.limit.source.endswith("memory/cache/memory.limit_in_bytes")
    assert (server.config.maxmemory, server.config.maxmemory_policy) == (100 * MIB, "allkeys-lru")
    assert (server.cpu_limit_cores, server.oom_group) == (UNLIMITED, False)
    assert (server.volume.filesystem, server.volume.in_memory) == ("ext4", False)
    assert server.volume.files_bytes == 101
    assert server.unread == ()
    unknown = [name for name in server.process.__slots__ if isinstance(getattr(server.process, name), Unread)]
    assert unknown == ["vmas"]  # not needed: VmSize decides


def test_a_save_in_progress_is_seen():
    child = only("proc_redis_7.0_saving").process.child
    assert isinstance(child, Child)
    assert isinstance(child.age_seconds, float)
    assert 0 < child.age_seconds < 5
    assert isinstance(child.private_dirty, int)
    assert child.private_dirty > 0


def test_options_that_nobody_can_see_are_not_the_files_nor_the_defaults():
    """This server was started with `--maxmemory 50mb` behind a file that says 100mb."""
    server = only("proc_redis_6.2_hidden_options")
    assert isinstance(server.config.maxmemory, Unread)
    assert (server.engine.version, server.engine.allocator) == ("6.2.14", "libc")
    assert server.config.directory == "/tmp/srv/redis-6.2/data"
    assert any("set-proc-title no" in problem.remedy for problem in server.unread)


def test_arguments_that_are_there_are_read():
    server = only("proc_valkey_9.1_cluster")
    assert (server.config.cluster_enabled, server.config.maxmemory) == (True, 100 * MIB)
    assert server.subject.name == "valkey-server :17403"


@pytest.mark.parametrize(
    ("pid", "why"),
    [
        pytest.param(1, "no such process", id="nobody"),
        pytest.param("self", "a saving child of pid", id="a child"),
    ],
)
def test_a_pid_that_is_no_server_says_what_it_is(pid, why):
    root = FIXTURES / "proc_redis_7.0_saving"
    child = only("proc_redis_7.0_saving").process.child
    assert child is not None
    seen = observe(root, pids=[child.pid if pid == "self" else pid])
    assert seen.servers == ()
    (problem,) = seen.problems
    assert why in problem.why


def test_a_pid_chooses_its_server():
    server = only("proc_redis_7.0_saving")
    assert only("proc_redis_7.0_saving", pids=[server.subject.pid]) == server


def test_a_url_that_does_not_answer_is_a_problem_and_no_server():
    seen = observe(FIXTURES / "proc_valkey_9.1_cluster", urls=["redis://127.0.0.1:1"])
    assert len(seen.servers) == 1
    assert [problem.where for problem in seen.problems] == ["redis://127.0.0.1:1"]


def test_an_empty_directory_has_no_servers_and_says_why(tmp_path):
    seen = observe(tmp_path)
    assert seen.servers == ()
    assert seen.problems


def test_nothing_outside_the_tree_is_read(monkeypatch):
    """`--root` of a captured tree must not mix in the machine that it is read on."""
    import os

    opened = []
    real = os.open

    def watch(path, *args, **more):
        if "dir_fd" not in more:
            opened.append(str(path))
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", watch)
    for fixture in FIXTURES.glob("proc_*"):
        observe(fixture)
    assert opened
    assert not [path for path in opened if not path.startswith(str(FIXTURES))]
    assert Inside(FIXTURES, "/").read_text("/README.md")


GARBAGE = ["", "\0\0\0", "\xff\xfe", "-1\n", "9" * 400, "max max max\n" * 3, ": : :\n(((\n"]


@pytest.mark.parametrize("text", GARBAGE, ids=["empty", "NULs", "high bytes", "negative", "huge", "words", "signs"])
@pytest.mark.parametrize("fixture", ["proc_redis_7.0_saving", "proc_valkey_9.1_cluster"])
def test_garbage_in_any_one_file_never_raises(tmp_path, fixture, text):
    source = FIXTURES / fixture
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 30
    root = tmp_path / "host"
    _mirror(source, root)
    for name in files:
        original = (root / name).read_bytes()
        (root / name).write_bytes(text.encode("latin-1"))
        observe(root)
        (root / name).unlink()
        observe(root)
        (root / name).write_bytes(original)


def _mirror(source: Path, to: Path) -> None:
    for path in source.rglob("*"):
        target = to / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        elif path.is_file():
            target.write_bytes(path.read_bytes())


def test_a_kubernetes_node_shows_each_container_with_what_binds_it():
    """Hand-made: containerd with its own limit, CRI-O with crun below a pod's limit, Docker beside Kubernetes."""
    seen = observe(FIXTURES / "cgroup_v2_kubernetes")
    containerd, crio, docker = seen.servers
    assert seen.problems == ()
    assert [server.subject.container for server in seen.servers] == ["a" * 64, "b" * 64, "c" * 64]
    assert [server.limit.value for server in seen.servers] == [1024 * MIB, 768 * MIB, UNLIMITED]
    assert "cri-containerd" in containerd.limit.source
    assert crio.limit.source.endswith("0b9d1c2e_3f4a_4b5c_9d6e_ba9876543210.slice/memory.max")
    assert (containerd.oom_group, crio.oom_group, docker.oom_group) == (True, True, False)
    assert (containerd.cpu_limit_cores, crio.cpu_limit_cores) == (0.5, UNLIMITED)
    assert (containerd.config.maxmemory, crio.config.appendonly, docker.config.save) == (400 * MIB, True, ())
    assert "inferred" in containerd.config.sources["maxmemory"]
    assert docker.config.sources["maxmemory"] == "process.args of the container"
    assert docker.config.maxmemory == 100 * MIB


def test_inside_a_container_its_own_limit_is_seen_and_the_pods_is_not():
    server = only("cgroup_v2_inside_container")
    assert not isinstance(server.cgroup, Unread)
    assert server.cgroup is not None
    assert server.cgroup.ancestors_hidden
    assert (server.limit.value, server.oom_group, server.volume.in_memory) == (512 * MIB, True, True)
