"""What became of a fork: every kind of evidence, and none."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker.agent.book import Labels
from checker.agent.finish import NOTHING_TOLD, Finisher, Told, result_of
from checker.agent.live import Ended, Target
from checker.agent.traces import StatLine, TempFile, cause_of, number_after
from checker.units import MIB

TARGET = Target(
    key=(1, 2),
    labels=Labels("", "", "", "redis-server :6379"),
    comm="redis-server",
    resident_bytes=400 * MIB,
    others_bytes=0,
    cgroup=None,
    countable=True,
    predicted_bytes=50 * MIB,
    child_pid=None,
)

EXIT_1 = 1 << 8


def ended(**changed: Any) -> Ended:
    one = Ended(
        target=TARGET,
        child_pid=77,
        cause="rdb",
        age_at_copied=2.0,
        lifetime=2.0,
        copied_bytes=40 * MIB,
        exit_status=0,
        server_ended=False,
        server_exit_status=None,
        oom_kills=0,
        file=None,
    )
    return replace(one, **changed)


@pytest.mark.parametrize(
    ("seen", "renamed", "told_ok", "result"),
    [
        pytest.param(ended(), None, None, "saved", id="exit 0"),
        pytest.param(ended(exit_status=EXIT_1), None, None, "failed", id="exit 1"),
        pytest.param(ended(exit_status=signal.SIGUSR1), None, None, "failed", id="told to stop"),
        pytest.param(ended(exit_status=signal.SIGKILL), None, None, "killed", id="killed"),
        pytest.param(ended(exit_status=signal.SIGSEGV | 0x80), None, None, "failed", id="crashed with a core"),
        pytest.param(ended(exit_status=None, oom_kills=1), None, None, "killed", id="not seen, an OOM kill counted"),
        pytest.param(ended(exit_status=None), True, None, "saved", id="not seen, its file was put in place"),
        pytest.param(ended(exit_status=None), False, None, "failed", id="not seen, its file was not"),
        pytest.param(ended(exit_status=None), None, True, "saved", id="not seen, INFO says ok"),
        pytest.param(ended(exit_status=None), None, False, "failed", id="not seen, INFO says err"),
        pytest.param(ended(exit_status=None), None, None, "unknown", id="nothing tells"),
        pytest.param(ended(exit_status=None, oom_kills=None), None, None, "unknown", id="nothing tells at all"),
        pytest.param(
            ended(exit_status=None, server_ended=True, oom_kills=1), None, None, "killed", id="server and OOM kill"
        ),
        pytest.param(
            ended(exit_status=None, server_ended=True, server_exit_status=signal.SIGKILL),
            None,
            None,
            "killed",
            id="server killed by hand",
        ),
        pytest.param(ended(exit_status=None, server_ended=True), None, None, "failed", id="server shut down"),
        pytest.param(
            ended(exit_status=None, server_ended=True, oom_kills=None),
            None,
            None,
            "unknown",
            id="server gone, no count",
        ),
    ],
)
def test_the_result(seen: Ended, renamed: bool | None, told_ok: bool | None, result: str) -> None:
    assert result_of(seen, renamed=renamed, told_ok=told_ok) == result


def finisher(told: Told = NOTHING_TOLD) -> Finisher:
    return Finisher(lambda _ended: told, sleep=lambda _seconds: None)


def test_what_the_server_says_it_copied_comes_before_what_was_counted() -> None:
    told = Told(ok=True, copied_bytes=44 * MIB, writes=10_000.0)
    fork = finisher(told).fork_of(ended(), 123.0)
    assert (fork.copied_bytes, fork.result) == (44 * MIB, "saved")
    assert fork.lesson is not None
    assert (fork.lesson.copied_bytes, fork.lesson.writes, fork.lesson.seconds) == (44 * MIB, 10_000.0, 2.0)


def test_what_the_server_says_of_an_earlier_save_is_not_taken_for_a_failed_one() -> None:
    told = Told(ok=False, copied_bytes=44 * MIB, writes=None)
    fork = finisher(told).fork_of(ended(exit_status=EXIT_1), 123.0)
    assert (fork.copied_bytes, fork.result) == (40 * MIB, "failed")
    assert fork.error_ratio() is None
    assert fork.lesson is not None
    assert fork.lesson.lifetime_seconds == 0.0, "it says nothing of how long a save takes"


def test_a_child_that_was_counted_before_its_end_is_extrapolated() -> None:
    early = ended(target=replace(TARGET, others_bytes=None), age_at_copied=1.0, lifetime=2.0, copied_bytes=40 * MIB)
    fork = finisher().fork_of(early, 123.0)
    assert fork.copied_bytes is not None
    assert 70 * MIB < fork.copied_bytes < 80 * MIB, "less than twice: touches fall on copied pages too"
    assert fork.lesson is not None
    assert (fork.lesson.copied_bytes, fork.lesson.seconds) == (40 * MIB, 1.0)


def test_a_fork_whose_copies_nobody_counted_is_counted_and_teaches_nothing() -> None:
    fork = finisher().fork_of(ended(copied_bytes=None), 123.0)
    assert (fork.result, fork.copied_bytes, fork.lesson, fork.error_ratio()) == ("saved", None, None, None)


@pytest.mark.parametrize(
    ("what_happens", "result"),
    [("rename", "saved"), ("rename and replace", "saved"), ("unlink", "failed"), ("nothing", "failed")],
    ids=["put in place", "and replaced by the next", "removed", "left behind"],
)
def test_the_file_of_a_child_tells_what_its_exit_status_would_have(
    tmp_path: Path, what_happens: str, result: str
) -> None:
    """As Redis does it: written under a temporary name, and then renamed or removed."""
    path = tmp_path / f"temp-{os.getpid()}.rdb"
    with path.open("wb"):
        file = TempFile.of(Path("/proc/self"))
    assert file is not None
    if what_happens.startswith("rename"):
        path.rename(tmp_path / "dump.rdb")
    if what_happens.endswith("replace"):
        path.write_bytes(b"the next")
        path.rename(tmp_path / "dump.rdb")
    if what_happens == "unlink":
        path.unlink()
    assert finisher().fork_of(ended(exit_status=None, file=file), 1.0).result == result


def test_other_files_are_not_taken_for_it(tmp_path: Path) -> None:
    with (tmp_path / "dump.rdb").open("wb"), (tmp_path / "temp-x.rdb").open("wb"):
        assert TempFile.of(Path("/proc/self")) is None


def test_a_process_that_is_gone_has_no_file() -> None:
    assert TempFile.of(Path("/proc/0")) is None


@pytest.mark.parametrize(
    ("title", "cause"),
    [
        ("redis-rdb-bgsave *:6379", "rdb"),
        ("valkey-rdb-bgsave 0.0.0.0:6379", "rdb"),
        ("redis-rdb-to-slaves *:6379", "replication"),
        ("valkey-rdb-to-replicas", "replication"),
        ("redis-aof-rewrite *:6379", "aof"),
        ("redis-module-fork", "other"),
        ("redis-slot-migration", "other"),
    ],
)
def test_the_cause_is_in_the_title(title: str, cause: str) -> None:
    assert cause_of(title) == cause


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        pytest.param(b"anon 123\nfile 4\nanon_thp 5\n", b"anon ", 123, id="the first line"),
        pytest.param(b"cache 1\nrss 2\ntotal_rss 789\n", b"total_rss ", 789, id="a later line"),
        pytest.param(b"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", b"oom_kill ", 3, id="a longer name before it"),
        pytest.param(b"VmRSS:\t  12 kB\nRssAnon:\t    8 kB\n", b"RssAnon:", 8, id="status"),
        pytest.param(b"xanon 5\n", b"anon ", None, id="only inside another name"),
        pytest.param(b"anon x\n", b"anon ", None, id="no number"),
        pytest.param(b"", b"anon ", None, id="a file that is gone"),
    ],
)
def test_a_number_is_read_by_its_name(text: bytes, name: bytes, value: int | None) -> None:
    assert number_after(text, name) == value


def test_our_own_stat_line_is_read() -> None:
    line = StatLine.parse(Path("/proc/self/stat").read_bytes())
    assert line is not None
    assert (line.dead, line.exit_status) == (False, 0)
    assert StatLine.parse(b"1 (x y) z) S 1\n") is None
    assert StatLine.parse(b"") is None
