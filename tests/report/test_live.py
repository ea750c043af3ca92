"""The live picture: frames of a save from its first moment to its end, with figures that were made up for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from checker.facts import Unread
from checker.policy import Assumptions
from checker.report.live import followed, picture, progress_of
from checker.rules import judge
from checker.units import MIB
from checker.verdict import Verdict
from tests.build import LIMIT, PAGE_TABLES, RSS_ANON, a_cgroup, a_child, a_level, a_node, a_process, a_server

STATED = Assumptions(write_rate_per_second=2000.0, save_seconds=10.0)


def a_frame(child: Any = None, held: int = RSS_ANON + PAGE_TABLES, limit: int = LIMIT) -> Verdict:
    level = a_level(memory_current=held, memory_max=limit)
    return judge(a_server(process=a_process(child=child), cgroup=a_cgroup(level)), a_node(), STATED)


def drawn(verdicts: list[Verdict], seen: dict[int, Any], problems: tuple[Unread, ...] = ()) -> str:
    console = Console(record=True, width=110, force_terminal=False, file=None, quiet=False, no_color=True)
    with console.capture() as captured:
        console.print(picture(verdicts, seen, problems))
    return captured.get()


def test_before_a_save_the_next_one_is_told() -> None:
    text = drawn([a_frame()], followed({}, [a_frame()]))
    assert "no save is running; the next: " in text
    assert "write budget" in text


def test_a_running_save_is_held_against_what_was_predicted_at_its_beginning() -> None:
    first = a_frame(a_child(age_seconds=0.5, private_dirty=2 * MIB))
    seen = followed({}, [first])
    later = a_frame(a_child(age_seconds=4.0, private_dirty=80 * MIB), held=RSS_ANON + 2 * PAGE_TABLES + 80 * MIB)
    seen = followed(seen, [later])
    assert seen[4711].verdict is first
    progress = progress_of(seen[4711], later)
    assert progress is not None
    assert progress.predicted_seconds == 10.0
    assert progress.copied == 80 * MIB
    assert 0 < progress.predicted_by_now < progress.predicted_in_all
    assert progress.room == LIMIT - (RSS_ANON + 2 * PAGE_TABLES + 80 * MIB)
    text = drawn([later], seen)
    assert "4.0 s of 10.0 s, 6.0 s left" in text
    assert "80.0 MiB of " in text
    assert "2.00 GiB" in text


def test_a_save_that_will_not_fit_says_so_while_there_is_time() -> None:
    held = RSS_ANON + 2 * PAGE_TABLES + 20 * MIB
    frame = a_frame(a_child(age_seconds=1.0), held=held, limit=held + 30 * MIB)
    assert "still to come: it will not fit" in drawn([frame], followed({}, [frame]))


def test_a_save_that_takes_longer_is_not_over() -> None:
    frame = a_frame(a_child(age_seconds=14.0, private_dirty=150 * MIB))
    assert "14.0 s of 10.0 s, 4.0 s longer than predicted" in drawn([frame], followed({}, [frame]))


def test_copies_that_were_not_read_are_said_to_be() -> None:
    why = Unread("/proc/4712/smaps_rollup", "the child is larger than 1 GiB", "")
    frame = a_frame(a_child(private_dirty=why))
    text = drawn([frame], followed({}, [frame]))
    assert "not read: the child is larger than 1 GiB; predicted by now" in text


def test_when_a_save_is_over_its_last_figures_stay() -> None:
    seen = followed({}, [a_frame(a_child(age_seconds=9.5, private_dirty=150 * MIB))])
    over = a_frame()
    seen = followed(seen, [over])
    assert "the last save, when last seen after 9.5 s: 150 MiB copied" in drawn([over], seen)
    again = a_frame(a_child(pid=5000, age_seconds=0.1, private_dirty=0))
    assert followed(seen, [again])[4711].verdict is again


def test_a_server_that_is_gone_is_forgotten_and_nothing_is_said_to_be_nothing() -> None:
    seen = followed({}, [a_frame(a_child())])
    assert followed(seen, []) == {}
    text = drawn([], {}, (Unread("pid 7", "no such process"),))
    assert "? pid 7: no such process" in text
    assert "no server that may be looked at" in drawn([], {})


@pytest.mark.parametrize("changed", [{"age_seconds": Unread("stat", "gone")}], ids=["age unread"])
def test_without_an_age_there_is_no_progress(changed: dict[str, Any]) -> None:
    frame = a_frame(a_child(**changed))
    assert progress_of(followed({}, [frame])[4711], frame) is None
    assert "nothing was predicted for it" in drawn([frame], followed({}, [frame]))


def test_a_server_without_a_process_is_not_followed() -> None:
    assert followed({}, [replace(a_frame(), server=replace(a_frame().server, process=None))]) == {}
