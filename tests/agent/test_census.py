"""Who is there: real processes, found, forgotten, and not looked at for nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from checker.agent import census
from checker.agent.census import LOOK_AGAIN_SCANS, LOOKS_WHILE_YOUNG, Registrar
from checker.agent.lanes import Lanes
from checker.lab.server import RunningServer, running_server
from checker.lab.servers import NO_SERVER, find_servers

needs_server = pytest.mark.skipif(not find_servers(), reason=str(NO_SERVER))


@pytest.fixture
def registrar() -> Registrar:
    return Registrar(Path("/"), Lanes())


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(find_servers()[0], with_cgroup=False) as one:
        yield one


def pids(registrar: Registrar) -> set[int]:
    return {found.pid for found in registrar.take().servers}


@needs_server
def test_a_server_is_found_as_long_as_it_lives(registrar: Registrar, server: RunningServer) -> None:
    assert server.process is not None
    pid = server.process.pid
    assert pid in pids(registrar)
    assert pid in pids(registrar)
    server.stop()
    assert pid not in pids(registrar)


@needs_server
def test_what_becomes_a_server_by_exec_is_found(registrar: Registrar, tmp_path: Path) -> None:
    """A container's entry point works first, and then executes the server under its own pid."""
    script = f"read line; exec {find_servers()[0].path} --port 0 --save '' --unixsocket {tmp_path}/s"
    shell = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for _ in range(LOOKS_WHILE_YOUNG + 1):
            assert shell.pid not in pids(registrar)
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(b"go\n")
        shell.stdin.flush()
        shell.stdout.readline()  # the server's first line
        assert any(shell.pid in pids(registrar) for _ in range(LOOK_AGAIN_SCANS)), "an old process, seldom looked at"
    finally:
        shell.kill()
        shell.communicate()


@needs_server
def test_a_server_that_is_seen_before_it_has_its_title_is_known_by_its_title(
    registrar: Registrar, tmp_path: Path
) -> None:
    """Redis writes the title over its arguments only once it has read its configuration."""
    fifo = tmp_path / "redis.conf"
    os.mkfifo(fifo)
    server = subprocess.Popen([str(find_servers()[0].path), str(fifo)], stdout=subprocess.DEVNULL)
    try:
        with fifo.open("w") as config:  # opens when the server has opened it, too
            (early,) = [found for found in registrar.take().servers if found.pid == server.pid]
            assert early.cmdline.endswith(b"redis.conf\0")
            config.write(f"port 0\nunixsocket {tmp_path}/s\nsave ''\ndir {tmp_path}\n")
        while not (tmp_path / "s").exists():
            pass
        (late,) = [found for found in registrar.take().servers if found.pid == server.pid]
        assert late.cmdline.rstrip(b"\0 ").endswith(f"unixsocket:{tmp_path}/s".encode())
    finally:
        server.kill()
        server.wait()


def test_strangers_are_looked_at_less_and_less(registrar: Registrar, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    looked: list[int] = []
    program, closer = Registrar._program, census.glance
    monkeypatch.setattr(Registrar, "_program", lambda self, pid: (asked.append(pid), program(self, pid))[1])
    monkeypatch.setattr(census, "glance", lambda proc: (looked.append(int(proc.name)), closer(proc))[1])
    own = os.getpid()
    for _ in range(LOOKS_WHILE_YOUNG + 4 * LOOK_AGAIN_SCANS):
        registrar.take()
    assert LOOKS_WHILE_YOUNG <= asked.count(own) <= LOOKS_WHILE_YOUNG + 4
    assert looked.count(own) == 1, "closer once, as long as the same program runs"


def test_processes_that_come_and_go_in_their_thousands_are_not_remembered(registrar: Registrar) -> None:
    for _ in range(5):
        children = [subprocess.Popen([sys.executable, "-S", "-c", "pass"]) for _ in range(20)]
        registrar.take()
        for child in children:
            child.wait()
    taken = registrar.take()
    assert len(registrar._strangers) <= taken.processes


def test_without_a_proc_there_is_nobody_and_a_reason(tmp_path: Path) -> None:
    taken = Registrar(tmp_path, Lanes()).take()
    assert taken.servers == ()
    assert [problem.why for problem in taken.problems] == ["no such file or directory"]


def test_files_that_are_no_processes_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "proc" / "12").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("x")
    (tmp_path / "proc" / "١٢").mkdir()
    taken = Registrar(tmp_path, Lanes()).take()
    assert (taken.servers, taken.processes) == ((), 1)
