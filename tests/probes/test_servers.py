from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes.proc import Stat
from checker.probes.servers import Found, classify, find, may_be_server, with_children

DENIED = Unread("/proc/7/exe", "permission denied")


@pytest.mark.parametrize(
    ("executable", "comm", "arguments", "kind"),
    [
        pytest.param("/usr/bin/redis-server", "redis-server", ("redis-server *:6379",), "redis", id="redis"),
        pytest.param("/usr/bin/redis-check-rdb", "redis-server", ("/usr/bin/redis-server *:1",), "redis", id="Debian"),
        pytest.param("/opt/a b/valkey-server (deleted)", "valkey-server", ("x",), "valkey", id="deleted, and blanks"),
        pytest.param("/opt/keydb-server", "keydb-server", ("keydb-server",), "keydb", id="keydb"),
        pytest.param("/usr/bin/dragonfly", "dragonfly", ("dragonfly",), "dragonfly", id="dragonfly"),
        pytest.param("/opt/redis-stack/bin/redis-server", "redis-server", ("x",), "redis", id="redis-stack"),
        pytest.param("/opt/bin/cache", "redis-server", ("cache",), "redis", id="known by comm"),
        pytest.param("/lib/ld-musl-x86_64.so.1", "ld-musl-x86_64.", ("/bin/redis-server", "a"), "redis", id="a loader"),
        pytest.param(DENIED, "redis-server", ("redis-server *:6379",), "redis", id="another user's"),
        pytest.param("/usr/bin/redis-server", "foo", ("foo *:6379",), "redis", id="another argv[0]"),
        pytest.param("/usr/bin/redis-server", "redis-sentinel", ("redis-sentinel *:26379 [sentinel]",), "sentinel",
                     id="a link called redis-sentinel"),
        pytest.param("/usr/bin/redis-server", "redis-server", ("redis-server *:26379 [sentinel]",), "sentinel",
                     id="the title says sentinel"),
        pytest.param("/usr/bin/redis-server", "redis-server", ("redis-server", "/s.conf", "--sentinel"), "sentinel",
                     id="--sentinel"),
        pytest.param("/usr/bin/redis-check-rdb", "redis-check-rdb", ("redis-check-rdb", "dump.rdb"), None, id="check"),
        pytest.param("/usr/bin/redis-server", "redis-check-aof", ("redis-check-aof", "x"), "other", id="check, linked"),
        pytest.param("/usr/bin/redis-cli", "redis-cli", ("redis-cli",), "client", id="cli"),
        pytest.param("/usr/bin/redis-benchmark", "redis-benchmark", ("redis-benchmark",), "client", id="benchmark"),
        pytest.param("/usr/bin/valkey-benchmark", "valkey-benchmar", ("x",), "client", id="a name that comm cuts"),
        pytest.param("/usr/bin/dash", "redis-server", ("/bin/sh", "/opt/redis-server"), None, id="a script"),
        pytest.param("/usr/bin/tini", "tini", ("tini", "--", "redis-server"), None, id="an init in front"),
        pytest.param("/usr/bin/vim", "vim", ("vim", "redis-server"), None, id="an editor"),
    ],
)  # fmt: skip
def test_who_is_what(executable, comm, arguments, kind):
    assert classify(executable, comm, arguments) == kind


def test_of_most_processes_only_two_files_are_read():
    assert not may_be_server("systemd-journald", "systemd-journal")
    assert may_be_server("redis-server", "redis-server")
    assert may_be_server("renamed", "redis-server")
    assert may_be_server("ld-linux.so", "app")


def found(pid: int, parent: int = 1, title: str = "redis-server *:6379", executable: str = "/usr/bin/redis-server"):
    return Found(pid, "redis", executable, "redis-server", title.encode(), Stat("redis-server", parent, pid, None))


def test_a_saving_child_belongs_to_its_server():
    (server,), others = with_children([found(7), found(8, parent=7, title="redis-rdb-bgsave *:6379")])
    assert server.pid == 7
    assert server.child is not None
    assert server.child.pid == 8
    assert others == 0


def test_a_child_is_known_before_it_has_a_title():
    (server,), _ = with_children([found(7), found(8, parent=7)])
    assert server.child is not None


def test_a_child_whose_server_was_killed_is_no_server():
    servers, _ = with_children([found(8, title="redis-aof-rewrite *:6379")])
    assert servers == ()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"executable": "/opt/other/redis-server"}, id="another file"),
        pytest.param({"title": "redis-server *:6380"}, id="another port: pid 1 of a container adopts all orphans"),
    ],
)
def test_a_server_below_a_server_is_one(other):
    servers, _ = with_children([found(7), found(8, parent=7, **other)])
    assert [one.pid for one in servers] == [7, 8]


def test_nobody_is_its_own_child():
    servers, _ = with_children([found(1, parent=1)])
    assert [one.pid for one in servers] == [1]


def stat(pid: int, parent: int = 1) -> str:
    return f"{pid} (x) S {parent}" + " 0" * 17 + " 100" + " 0" * 30


def test_a_tree_is_searched(tree):
    root = tree(
        {
            "proc/7/comm": "redis-server\n",
            "proc/7/exe": "-> /usr/bin/redis-server (deleted)",
            "proc/7/cmdline": "redis-server *:6379\0\0",
            "proc/7/stat": stat(7),
            "proc/8/comm": "redis-server\n",
            "proc/8/exe": "-> /usr/bin/redis-server (deleted)",
            "proc/8/cmdline": "redis-rdb-bgsave *:6379",
            "proc/8/stat": stat(8, parent=7),
            "proc/9/comm": "redis-sentinel\n",
            "proc/9/exe": "-> /usr/bin/redis-server",
            "proc/9/cmdline": "redis-sentinel *:26379 [sentinel]",
            "proc/9/stat": stat(9),
            "proc/10/comm": "kthreadd\n",
            "proc/10/cmdline": "",
            "proc/11/comm": "redis-server\n",  # a zombie: no file, no arguments
            "proc/11/cmdline": "",
            "proc/self/comm": "bgsafe\n",
        }
    )
    servers, others, problems = find(root)
    assert [one.pid for one in servers] == [7]
    assert servers[0].child is not None
    assert servers[0].executable == "/usr/bin/redis-server"
    assert (others, problems) == (1, ())


def test_a_server_whose_files_are_damaged_is_a_problem_and_not_absent(tree):
    root = tree({"proc/7/comm": "redis-server\n", "proc/7/cmdline": "redis-server *:1", "proc/7/stat": "garbage"})
    servers, _, problems = find(root)
    assert servers == ()
    assert [problem.where for problem in problems] == [str(root / "proc/7/stat")]


def test_a_tree_without_proc_says_so(tmp_path):
    _, _, problems = find(tmp_path)
    assert problems[0].where == str(tmp_path / "proc")


def test_a_thousand_processes_take_little_time(tree, benchmark_seconds):
    files: dict[str, str] = {}
    for pid in range(1, 1001):
        files |= {
            f"proc/{pid}/comm": "nginx\n",
            f"proc/{pid}/exe": "-> /usr/sbin/nginx",
            f"proc/{pid}/cmdline": "nginx",
        }
    root = tree(files)
    assert benchmark_seconds(lambda: find(root)) < 0.5


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_no_text_makes_it_raise(executable, comm, arguments):
    classify(executable, comm, tuple(arguments))
    may_be_server(executable, comm)


def test_captured_servers_are_found():
    fixtures = sorted((Path(__file__).parents[1] / "fixtures").glob("proc_*"))
    assert len(fixtures) == 4
    for fixture in fixtures:
        servers, _, problems = find(fixture)
        assert (len(servers), problems) == (1, ()), fixture.name
        assert (servers[0].child is not None) == fixture.name.endswith("_saving")
