"""The probes against real servers: what they say of themselves must be what /proc shows, and the other way round."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checker.facts import Server, Unread
from checker.lab import cgroup as lab_cgroup
from checker.lab.servers import NO_SERVER, Binary, find_servers
from checker.probes import hierarchy, node, proc
from checker.probes.observe import observe
from checker.units import MIB
from tests.fixtures.capture import capture

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not find_servers(), reason=str(NO_SERVER)),
]

SERVERS = find_servers()
each_server = pytest.mark.parametrize("binary", SERVERS, ids=str)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@dataclass(frozen=True)
class Running:
    """A server that a test started."""

    pid: int
    port: int
    config: Path

    def send(self, *words: str) -> str:
        """Send one command and return the first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
            connection.settimeout(5)
            for command in (("AUTH", "geheim"), words):
                parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in command)
                connection.sendall(f"*{len(command)}\r\n{parts}".encode())
                answer = connection.recv(4096).decode("utf-8", "replace")
        return answer


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers with a file and arguments of their own, in front of which a launcher may stand."""
    processes: list[subprocess.Popen[bytes]] = []

    def go(binary: Binary, *arguments: str, text: str = "", launcher: tuple[str, ...] = (), cgroup: Path | None = None):
        port = free_port()
        (tmp_path / "data").mkdir(exist_ok=True)
        config = tmp_path / f"redis-{port}.conf"
        base = f"port {port}\nbind 127.0.0.1\ndir {tmp_path}/data\nrequirepass geheim\n"
        config.write_text(base + text)
        command = [*launcher, str(binary.path), str(config), *arguments]
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            preexec_fn=None if cgroup is None else lambda: (cgroup / "cgroup.procs").write_text(str(os.getpid())),  # noqa: PLW1509
        )
        processes.append(process)
        running = Running(process.pid, port, config)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(OSError):
                if "PONG" in running.send("PING"):
                    return running
            time.sleep(0.02)
        raise AssertionError(f"{command} did not start")

    yield go
    for process in processes:
        process.kill()
        process.wait()


def seen(running: Running, **more) -> Server:
    """Return the server on its port, whatever else runs on this machine."""
    servers = [one for one in observe(**more).servers if str(running.port) in one.subject.name]
    assert len(servers) == 1
    return servers[0]


@each_server
def test_what_the_process_shows_is_what_the_server_says(start, binary):
    running = start(binary, text="maxmemory 100mb\nmaxmemory-policy allkeys-lru\nsave 60 1\nappendonly yes\n")
    by_process = seen(running)
    by_info = seen(running, urls=[f"redis://:geheim@127.0.0.1:{running.port}"])
    assert by_process.info is None
    assert by_info.info is not None
    assert by_info.subject == by_process.subject
    assert by_info.engine == by_process.engine
    assert replace(by_info.config, sources={}) == replace(by_process.config, sources={})
    assert by_process.config.maxmemory == 100 * MIB


@each_server
@pytest.mark.parametrize("title", ["yes", "no"])
def test_options_on_the_command_line_are_seen_or_said_to_be_hidden(start, binary, title):
    running = start(binary, "--maxmemory", "50mb", "--save", "", "--set-proc-title", title, text="maxmemory 100mb\n")
    server = seen(running)
    if title == "no":
        assert (server.config.maxmemory, server.config.save) == (50 * MIB, ())
    else:
        assert isinstance(server.config.maxmemory, Unread)
    asked = seen(running, urls=[f"redis://:geheim@127.0.0.1:{running.port}"])
    assert (asked.config.maxmemory, asked.config.save) == (50 * MIB, ())


@each_server
def test_a_saving_child_is_part_of_its_server(start, binary):
    running = start(binary, text="rdb-key-save-delay 20000\n")
    for number in range(100):
        running.send("SET", f"key:{number}", "x" * 100)
    assert "+" in running.send("BGSAVE")
    time.sleep(0.3)
    server = seen(running)
    assert server.process is not None
    child = server.process.child
    assert child is not None
    assert isinstance(child.age_seconds, float)
    assert 0 <= child.age_seconds < 5
    assert isinstance(child.private_dirty, int)
    assert child.private_dirty > 0
    assert server.subject.pid == running.pid


@each_server
def test_a_captured_tree_shows_what_the_live_machine_showed(start, binary, tmp_path):
    running = start(binary, text="maxmemory 100mb\n")
    live = seen(running)
    capture(running.pid, tmp_path / "tree")
    (captured,) = observe(tmp_path / "tree").servers

    def comparable(server: Server) -> Server:
        """Without what names the tree, and what moves between two looks."""
        assert server.process is not None
        return replace(
            server,
            config=replace(server.config, sources={}),
            cgroup=None,
            limit=server.limit.value,
            process=replace(server.process, vmas=(), rss_anon=0, vm_pte=0),
        )

    assert comparable(captured) == comparable(live)
    assert "geheim" not in "".join(
        path.read_text("latin-1") for path in (tmp_path / "tree").rglob("*") if path.is_file()
    )


@each_server
def test_the_data_is_sampled(start, binary):
    running = start(binary)
    for number in range(300):
        running.send("SET", f"key:{number:06}", "x" * 100)
    running.send("HSET", "hash", "field", "value")
    server = seen(running, urls=[f"redis://:geheim@127.0.0.1:{running.port}"], sample=200)
    assert server.info is not None
    assert server.info.keys == 301
    largest = max(server.shape, key=lambda population: population.keys)
    assert (largest.type, largest.value_bytes, largest.key_bytes) == ("string", 100.0, 10.0)
    assert largest.keys >= 280
    assert sum(population.keys for population in server.shape) == 301


def test_wrong_urls_are_said_and_cost_the_server_nothing(start, tmp_path):
    running = start(SERVERS[0])
    urls = [f"redis://127.0.0.1:{running.port}", f"redis://:falsch@127.0.0.1:{running.port}", f"unix://{tmp_path}/none"]
    found = observe(urls=urls, timeout_seconds=1.0)
    why = [problem.why for problem in found.problems]
    assert why[0].startswith("NOAUTH")
    assert why[1].startswith("WRONGPASS")
    assert running.pid in [server.subject.pid for server in found.servers]
    assert "falsch" not in str(found)


def test_a_user_who_may_only_ping_is_told_what_to_allow(start):
    running = start(SERVERS[0])
    assert "OK" in running.send("ACL", "SETUSER", "monitor", "on", ">geheim", "-@all", "+info")
    server = seen(running, urls=[f"redis://monitor:geheim@127.0.0.1:{running.port}"], sample=10)
    assert server.info is not None
    assert any("+config|get" in problem.remedy for problem in server.unread)
    assert isinstance(server.config.maxmemory, int)  # INFO says it


@as_root
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_a_server_in_namespaces_of_its_own_is_matched(start):
    """Pid 1 of its own namespace, as in a container: INFO's process_id is not the pid here."""
    running = start(SERVERS[0], launcher=("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"))
    found = seen(running, urls=[f"redis://:geheim@127.0.0.1:{running.port}"])
    assert found.subject.pid != running.pid
    assert found.info is not None


@as_root
@pytest.mark.skipif(lab_cgroup.refusal() is not None, reason=f"no memory cgroup: {lab_cgroup.refusal()}")
def test_the_limit_of_a_real_cgroup_binds(start):
    membership = hierarchy.parse_membership(Path("/proc/self/cgroup").read_text())
    place = hierarchy.place(hierarchy.read_hierarchies(Path("/")), membership, "memory", "here")
    assert isinstance(place, hierarchy.Place)
    name = "memory.max" if place.hierarchy.version == 2 else "memory.limit_in_bytes"
    with _cgroup(place.hierarchy.directory / f"bgsafe-test-{os.getpid()}") as parent, _cgroup(parent / "leaf") as leaf:
        (parent / name).write_text(str(128 * MIB))
        server = seen(start(SERVERS[0], cgroup=leaf))
        assert server.limit.value == 128 * MIB
        assert server.limit.source == str(parent / name)
        os.kill(server.process.pid, 9)
        time.sleep(0.2)


@contextmanager
def _cgroup(path: Path) -> Iterator[Path]:
    path.mkdir()
    try:
        yield path
    finally:
        for _ in range(50):
            with suppress(OSError):
                path.rmdir()
                break
            time.sleep(0.05)


@as_root
def test_without_root_another_users_server_is_seen_as_far_as_it_may_be(start):
    running = start(SERVERS[0], text="maxmemory 100mb\n")
    server = _as_nobody(lambda: seen(running))
    assert server.process is not None
    assert isinstance(server.process.rss_anon, int)  # status is open to everybody
    assert isinstance(server.config.maxmemory, Unread)
    assert any("root" in problem.remedy or "set-proc-title" in problem.remedy for problem in server.unread)


def _as_nobody(function: Callable[[], Server]) -> Server:
    """Call a function in a child that has given up root."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with os.fdopen(writing, "wb") as pipe:
            try:
                pickle.dump(function(), pipe)
            finally:
                pipe.flush()
                os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(pid, 0)
    result: Server = pickle.loads(raw)
    return result


def test_a_process_that_ends_while_it_is_looked_at_is_gone(start):
    """It must be in no list, neither of servers nor of problems."""
    running = start(SERVERS[0])
    os.kill(running.pid, 9)
    time.sleep(0.1)  # a zombie now: nobody has waited for it
    found = observe()
    assert running.pid not in [server.subject.pid for server in found.servers]
    assert not [problem for problem in found.problems if f"/{running.pid}/" in problem.where]


def test_the_mappings_add_up_to_vm_size():
    """Smaps of this very process: an oracle for the parser that needs no server."""
    machine, _ = node.read(Path("/"))
    tight = replace(machine, overcommit_memory=2, commit_limit=0)
    status = proc.read_status(Path("/proc/self"))
    vmas = proc.read_vmas(Path("/proc/self"), tight, status)
    assert not isinstance(vmas, Unread)
    assert not isinstance(status, Unread)
    size = status.size("VmSize")
    assert isinstance(size, int)
    counted = sum(vma.size for vma in vmas if vma.name not in ("[vsyscall]",))
    assert abs(counted - size) < 16 * MIB
    assert all(vma.flags for vma in vmas)
    assert any("ac" in (vma.flags or ()) for vma in vmas)
    assert [vma.start for vma in vmas] == sorted(vma.start for vma in vmas)


def test_meminfo_agrees_with_sysinfo():
    machine, _ = node.read(Path("/"))
    assert machine.page_size_bytes == os.sysconf("SC_PAGESIZE")
    assert machine.cpu_count == os.sysconf("SC_NPROCESSORS_ONLN")
    assert json.dumps(machine.kernel_release) == json.dumps(os.uname().release)
