"""The watcher where this machine's kernel cannot show it: without lists of children, and with servers that vanish."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checker.agent.book import Labels
from checker.agent.live import Ended, Target, begin, others_now
from checker.agent.troubles import Troubles
from checker.agent.watch import Watcher
from checker.probes.proc import read_stat

PARENT = """
import os, sys, time
child = os.fork()
if child == 0:
    time.sleep(float(sys.argv[1]))
    os._exit(int(sys.argv[2]))
print(child, flush=True)
sys.stdin.read()
os.waitpid(child, 0)
"""
"""Forks once, and reaps its child only when it is told to."""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-S", "-c", PARENT, "0.3", "3"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def target(pid: int, **changed: object) -> Target:
    stat = read_stat(Path(f"/proc/{pid}"))
    one = Target(
        key=(pid, getattr(stat, "start_time_ticks", 0)),
        labels=Labels("", "", "", "x"),
        comm=Path(f"/proc/{pid}/comm").read_text().strip(),
        resident_bytes=1,
        others_bytes=None,
        cgroup=None,
        countable=False,
        predicted_bytes=None,
        child_pid=None,
    )
    return replace(one, **changed)  # type: ignore[arg-type]


class Told:
    """What the watcher told."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.began: list[Target] = []
        self.ended: list[Ended] = []
        self.troubles = Troubles()
        self.watcher = Watcher(root, self.troubles, self.began.append, self.ended.append)

    def look_until_ended(self) -> Ended:
        end = time.monotonic() + 10
        while not self.ended and time.monotonic() < end:
            self.watcher.look()
            time.sleep(0.02)
        return self.ended[0]


def child_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_a_child_is_followed_to_its_end_and_not_taken_for_a_new_one(parent: subprocess.Popen[str]) -> None:
    """It stays a zombie, and so a child, until its parent reaps it."""
    child, told = child_of(parent), Told()
    told.watcher.follow([target(parent.pid)])
    ended = told.look_until_ended()
    assert (ended.child_pid, ended.exit_status, ended.server_ended) == (child, 3 << 8, False)
    assert 0.2 < ended.lifetime < 5
    for _ in range(3):
        time.sleep(0.11)
        told.watcher.look()
    assert (len(told.began), len(told.ended)) == (1, 1)
    assert told.watcher.living() == frozenset()


def test_a_server_that_dies_beside_its_child_ends_its_fork(parent: subprocess.Popen[str]) -> None:
    child_of(parent)
    told = Told()
    told.watcher.follow([target(parent.pid)])
    while not told.began:
        told.watcher.look()
        time.sleep(0.02)
    parent.kill()
    ended = told.look_until_ended()
    assert ended.server_ended
    assert ended.server_exit_status == 9
    told.watcher.follow([])


def test_without_lists_of_children_a_scan_shows_the_child_and_the_lack_is_told(
    parent: subprocess.Popen[str], tmp_path: Path
) -> None:
    """A /proc as of a kernel without CONFIG_PROC_CHILDREN: everything but that file."""
    child = child_of(parent)
    for pid in (parent.pid, child):
        (tmp_path / "proc" / str(pid) / "task" / str(pid)).mkdir(parents=True)
        for file in ("stat", "status", "cmdline"):
            (tmp_path / "proc" / str(pid) / file).symlink_to(f"/proc/{pid}/{file}")
    told = Told(tmp_path)
    told.watcher.follow([target(parent.pid)])
    assert told.troubles.counts()["children"] == 1
    told.watcher.look()
    assert told.began == []
    told.watcher.follow([target(parent.pid, child_pid=child)])
    assert len(told.began) == 1
    assert told.look_until_ended().exit_status == 3 << 8


def test_a_server_that_went_away_since_the_scan_is_no_trouble() -> None:
    told = Told()
    gone = replace(target(os.getpid()), key=(2**22 + 1, 0))
    told.watcher.follow([gone])
    assert not told.watcher.look()
    assert told.troubles.counts()["children"] == 0


def test_a_child_that_executed_something_else_is_no_save() -> None:
    with subprocess.Popen(["/bin/sleep", "10"]) as other:
        try:
            assert begin(Path("/"), target(os.getpid(), comm="redis-server"), other.pid) is None
        finally:
            other.kill()


def test_what_is_scanned_while_a_child_lives_does_not_move_the_base(parent: subprocess.Popen[str]) -> None:
    child_of(parent)
    told = Told()
    told.watcher.follow([target(parent.pid, others_bytes=5)])
    while not told.began:
        told.watcher.look()
        time.sleep(0.02)
    told.watcher.follow([target(parent.pid, others_bytes=None)])
    told.look_until_ended()
    told.watcher.follow([target(parent.pid, others_bytes=7)])
    (watched,) = told.watcher._watched.values()
    assert watched.target.others_bytes == 7


@pytest.mark.parametrize(
    ("version", "stat", "others"),
    [
        pytest.param(2, "anon 3000000\nfile 1\n", 3000000 - 2000 * 1024, id="version 2"),
        pytest.param(1, "rss 1\ntotal_rss 3000000\n", 3000000 - 2000 * 1024, id="version 1"),
        pytest.param(2, "file 1\n", None, id="no such line"),
    ],
)
def test_the_base_is_what_the_cgroup_holds_beside_the_server(
    tmp_path: Path, version: int, stat: str, others: int | None
) -> None:
    proc = tmp_path / "proc" / str(os.getpid())
    proc.mkdir(parents=True)
    (proc / "status").write_text("VmRSS:\t 1 kB\nRssAnon:\t    2000 kB\n")
    (tmp_path / "memory.stat").write_text(stat)
    mine = target(os.getpid(), others_bytes=1, cgroup=(version, tmp_path))
    assert others_now(tmp_path, mine) == others
    assert others_now(tmp_path, replace(mine, others_bytes=None)) is None
