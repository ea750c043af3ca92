"""`bgsafe agent` beside real servers that really fork, in real memory cgroups."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from checker.lab import cgroup as lab_cgroup
from checker.lab.load import Workload, fill, writing
from checker.lab.resp import Connection
from checker.lab.server import RunningServer, running_server
from checker.lab.servers import NO_SERVER, find_servers
from checker.units import MIB
from tests.agent.running import Agent, parse, running_agent

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not find_servers(), reason=str(NO_SERVER)),
]

REFUSAL = lab_cgroup.refusal()
in_a_cgroup = pytest.mark.skipif(REFUSAL is not None, reason=str(REFUSAL))
promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")

LOAD = Workload(keys=150_000, value_bytes=100, write_rate_per_second=4000)


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    """One agent for all: it is there to watch many servers."""
    with running_agent() as one:
        yield one


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(find_servers()[0]) as one:
        yield one


def call(server: RunningServer, *words: str) -> object:
    with server.connect() as connection:
        return connection.command(*words)


def load(server: RunningServer, workload: Workload = LOAD) -> None:
    with server.connect() as connection:
        fill(connection, workload, 1, lambda _step: None)


def info(server: RunningServer, name: str) -> str:
    text = str(call(server, "INFO"))
    return next(
        line.partition(":")[2] for line in text.replace("\\r\\n", "\n").splitlines() if line.startswith(f"{name}:")
    )


def seen(agent: Agent, server: RunningServer) -> str:
    """The server's own label, once the agent has seen it with its data."""
    mine = server.socket_path

    def found() -> str | None:
        series = agent.series("bgsafe_fork_expected_bytes", server=mine)
        return series[0].labels["server"] if series else None

    return agent.wait_for(found)


def forks(agent: Agent, label: str) -> dict[tuple[str, str], float]:
    found = agent.series("bgsafe_forks_total", server=label)
    return {(each.labels["cause"], each.labels["result"]): each.value for each in found if each.value}


@in_a_cgroup
def test_a_save_is_predicted_watched_and_measured(agent: Agent, server: RunningServer) -> None:
    load(server)
    label = seen(agent, server)
    assert forks(agent, label) == {}
    assert len(agent.series("bgsafe_forks_total", server=label)) == 9  # zeros, so that increase() sees the first
    call(server, "CONFIG", "SET", "rdb-key-save-delay", "-10")
    with writing(server.socket_path, LOAD, seed=2):
        agent.wait_for(lambda: agent.value("bgsafe_server_resident_bytes", server=label) > 25 * MIB)
        call(server, "BGSAVE")
        agent.wait_for(lambda: agent.value("bgsafe_fork_in_progress", server=label) == 1)
        agent.wait_for(lambda: forks(agent, label) == {("rdb", "saved"): 1})
    assert agent.value("bgsafe_fork_in_progress", server=label) == 0
    copied, told = agent.value("bgsafe_fork_cow_bytes", server=label), int(info(server, "rdb_last_cow_size"))
    assert copied == pytest.approx(told, rel=0.1, abs=MIB)
    assert agent.value("bgsafe_fork_duration_seconds", server=label) > 0.1
    assert agent.value("bgsafe_fork_predicted_bytes", server=label) > 0
    assert agent.value("bgsafe_prediction_error_ratio_count", server=label) == 1
    assert agent.value("bgsafe_fork_observations", server=label) == 1
    agent.wait_for(lambda: agent.value("bgsafe_server_info", server=label, write_rate="observed"))


@in_a_cgroup
def test_a_server_that_its_save_killed_is_counted_and_its_gauges_go(agent: Agent, server: RunningServer) -> None:
    load(server)
    label = seen(agent, server)
    assert isinstance(server.cgroup, lab_cgroup.MemoryCgroup)
    server.cgroup.set_limit(server.cgroup.anon() + 8 * MIB)
    agent.wait_for(lambda: agent.value("bgsafe_server_memory_limit_bytes", server=label) < 10**12)
    agent.wait_for(lambda: agent.value("bgsafe_fork_headroom_bytes", server=label, case="worst") < 0)
    call(server, "CONFIG", "SET", "rdb-key-save-delay", "5")
    with writing(server.socket_path, LOAD, seed=2):
        call(server, "BGSAVE")
        agent.wait_for(lambda: forks(agent, label) == {("rdb", "killed"): 1})
    assert server.exit_status(5.0) == -signal.SIGKILL
    agent.wait_for(lambda: not agent.series("bgsafe_verdict", server=label))
    assert not agent.series("bgsafe_server_resident_bytes", server=label)
    assert forks(agent, label) == {("rdb", "killed"): 1}, "the counter stays, to be scraped"


@pytest.mark.parametrize(
    ("number", "result"),
    [(signal.SIGKILL, "killed"), (signal.SIGUSR1, "failed"), (signal.SIGSEGV, "failed")],
    ids=["killed", "told to stop by its server", "crashed"],
)
def test_how_a_child_ended(agent: Agent, server: RunningServer, number: signal.Signals, result: str) -> None:
    load(server)
    label = seen(agent, server)
    call(server, "CONFIG", "SET", "rdb-key-save-delay", "100")
    call(server, "CONFIG", "SET", "hz", "1")  # it looks for its child's end once a second: nobody is faster than that
    call(server, "BGSAVE")
    agent.wait_for(lambda: agent.value("bgsafe_fork_in_progress", server=label) == 1)
    time.sleep(0.3)  # the child gets to open its file
    assert server.process is not None
    child = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()[0]
    os.kill(int(child), number)
    agent.wait_for(lambda: forks(agent, label) == {("rdb", result): 1})


def test_a_rewrite_of_the_aof_and_a_full_sync_have_their_own_cause(agent: Agent, server: RunningServer) -> None:
    load(server)
    label = seen(agent, server)
    call(server, "CONFIG", "SET", "rdb-key-save-delay", "-50")
    call(server, "CONFIG", "SET", "repl-diskless-sync", "yes")
    call(server, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
    call(server, "BGREWRITEAOF")
    agent.wait_for(lambda: forks(agent, label) == {("aof", "saved"): 1})
    with Connection(server.socket_path, timeout_seconds=10) as replica:
        replica.command("REPLCONF", "capa", "eof")
        replica.socket.sendall(b"PSYNC ? -1\r\n")
        agent.wait_for(lambda: agent.value("bgsafe_fork_in_progress", server=label) == 1)
    agent.wait_for(lambda: any(cause == "replication" for cause, _ in forks(agent, label)))


def test_a_server_that_is_restarted_goes_on_counting(agent: Agent) -> None:
    """Under the same labels, as a container of the same name in the same pod would."""
    binary = find_servers()[0]
    directory = Path(f"/var/tmp/bgsafe-test-agent-{os.getpid()}")
    directory.mkdir()
    command = [str(binary.path), "--port", "0", "--unixsocket", f"{directory}/s", "--dir", str(directory), "--save", ""]
    try:
        for times in (1, 2):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            try:
                series = agent.wait_for(lambda: agent.series("bgsafe_fork_in_progress", server=str(directory)))
                label = series[0].labels["server"]
                with Connection(f"{directory}/s", timeout_seconds=10) as connection:
                    for each in range(2000):
                        connection.command("SET", f"k{each}", "v")
                    connection.command("CONFIG", "SET", "rdb-key-save-delay", "100")
                    connection.command("BGSAVE")
                agent.wait_for(lambda n=times, label=label: forks(agent, label) == {("rdb", "saved"): n})
            finally:
                process.kill()
                process.wait()
            agent.wait_for(lambda: not agent.series("bgsafe_fork_in_progress", server=str(directory)))
    finally:
        shutil.rmtree(directory)


def test_a_thousand_short_lived_processes_a_second_are_no_trouble(agent: Agent, server: RunningServer) -> None:
    label = seen(agent, server)
    errors_before = sum(each.value for each in agent.series("bgsafe_scan_errors_total"))
    program = (
        "import os, time\nend = time.monotonic() + 2.5\nwhile time.monotonic() < end:\n"
        "    p = os.fork()\n    p or os._exit(0)\n    os.waitpid(p, 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert agent.value("bgsafe_server_scan_timestamp_seconds", server=label) > time.time() - 3
    assert sum(each.value for each in agent.series("bgsafe_scan_errors_total")) == errors_before


DEAD_DISK = """
import ctypes, os, sys, time
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"dead", sys.argv[1].encode(), b"fuse", 0, options):
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
time.sleep(120)
"""
"""A filesystem whose server never answers, as a network disk whose server has gone."""


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/dev/fuse").exists(), reason="needs root and /dev/fuse")
def test_a_dead_disk_in_a_container_holds_up_nobody(server: RunningServer, tmp_path: Path) -> None:
    """The configuration of one server lies on a disk that never answers again; the other server is watched on."""
    conf = tmp_path / "conf" / "redis.conf"
    conf.parent.mkdir()
    conf.write_text(f"port 0\nunixsocket {tmp_path}/s\nset-proc-title no\nsave 3600 1\n")
    binary = str(find_servers()[0].path)
    stuck = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", binary, str(conf)], cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert stuck.stdout is not None
    stuck.stdout.readline()
    disk = subprocess.Popen(
        ["nsenter", "--mount", "--target", str(stuck.pid), sys.executable, "-c", DEAD_DISK, str(conf.parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert disk.stdout is not None
        assert disk.stdout.readline() == "mounted\n"
        with running_agent() as agent:
            label = seen(agent, server)
            agent.wait_for(lambda: agent.value("bgsafe_scan_servers", state="hanging") == 1)
            assert agent.value("bgsafe_scan_errors_total", probe="hanging") >= 1
            safe = agent.series("bgsafe_verdict", server="redis-server", verdict="safe")
            of_the_stuck_one = [each.value for each in safe if each.labels["server"] == "redis-server"]
            assert set(of_the_stuck_one) == {0.0}, "nothing is known of its configuration: not even where it listens"
            last = agent.value("bgsafe_server_scan_timestamp_seconds", server=label)
            agent.wait_for(lambda: agent.value("bgsafe_server_scan_timestamp_seconds", server=label) > last + 1)
            disk.kill()  # the disk is taken away: reads fail in place of hanging
            agent.wait_for(lambda: agent.value("bgsafe_scan_servers", state="hanging") == 0)
    finally:
        for process in (disk, stuck):
            process.kill()
            process.communicate()


def test_with_info_the_write_rate_is_measured_and_copies_are_the_servers_own(
    server: RunningServer, tmp_path: Path
) -> None:
    load(server)
    call(server, "ACL", "SETUSER", "bgsafe", "on", ">secret", "resetkeys", "-@all", "+info")
    (tmp_path / "password").write_text("secret\n")
    access = tmp_path / "access.yaml"
    entry = f"{{url: 'unix://{server.socket_path}', username: bgsafe, passwordFile: '{tmp_path}/password'}}"
    access.write_text(f"servers: [{entry}]")
    with running_agent("--redis-access", str(access)) as agent, writing(server.socket_path, LOAD, seed=2):
        label = seen(agent, server)
        agent.wait_for(lambda: agent.value("bgsafe_server_info", server=label, write_rate="measured"))
        agent.wait_for(lambda: agent.value("bgsafe_write_rate_per_second", server=label) > 1000)
        assert agent.value("bgsafe_info_up", server=label) == 1
        call(server, "BGSAVE")
        agent.wait_for(lambda: forks(agent, label) == {("rdb", "saved"): 1})
        assert agent.value("bgsafe_fork_cow_bytes", server=label) == int(info(server, "rdb_last_cow_size"))
        assert agent.value("bgsafe_server_last_save_ok", server=label) == 1
        call(server, "ACL", "SETUSER", "bgsafe", "off")
        agent.wait_for(lambda: agent.value("bgsafe_info_up", server=label) == 0)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_behind_hidepid_it_sees_its_own_user_and_says_so(server: RunningServer, tmp_path: Path) -> None:
    """In a mount namespace of its own: a /proc that hides other users' processes, and a user who is not root."""
    tree = Path("/var/tmp") / f"bgsafe-hidepid-{os.getpid()}"
    (tree / "proc").mkdir(parents=True)
    (tree / "sys").mkdir()
    once = f"{sys.executable} -m checker.cli agent --once --root {tree}"
    script = (
        f"mount -t proc -o hidepid=2 proc {tree}/proc && exec setpriv --reuid 65534 --regid 65534 --clear-groups {once}"
    )
    try:
        printed = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script], capture_output=True, text=True
        )
    finally:
        shutil.rmtree(tree)
    assert printed.returncode == 0, printed.stderr
    assert server.socket_path not in printed.stdout
    assert "hidepid" in printed.stderr


def test_once_prints_the_page_and_ends(server: RunningServer) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "checker.cli", "agent", "--once"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    mine = [each for each in parse(printed) if server.socket_path in each.labels.get("server", "")]
    assert {each.labels["verdict"]: each.value for each in mine if each.name == "bgsafe_verdict"}.keys() >= {"safe"}


@promtool
def test_promtool_finds_nothing_wrong_with_the_page(agent: Agent, server: RunningServer) -> None:
    seen(agent, server)
    checked = subprocess.run(["promtool", "check", "metrics"], input=agent.page(), capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_it_ends_when_it_is_told_to() -> None:
    with running_agent() as one:
        one.process.terminate()
        _, logged = one.process.communicate(timeout=10)
    assert one.process.returncode == 0
    assert '"event": "stopped"' in logged.splitlines()[-1]
