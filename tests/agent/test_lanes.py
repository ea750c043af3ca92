"""Reads that hang: left behind, not repeated, and taken up again when they come back."""

from __future__ import annotations

import threading

import pytest

from checker.agent.lanes import Lanes
from checker.facts import Unread


def test_a_read_that_returns_is_returned() -> None:
    lanes = Lanes()
    assert [lanes.read(n, "here", lambda n=n: n * 2) for n in range(5)] == [0, 2, 4, 6, 8]
    lanes.close()


def test_what_a_read_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Lanes().read(1, "here", lambda: 1 // 0)


def test_one_that_hangs_is_left_behind_and_holds_up_nobody() -> None:
    lanes, gate, visits = Lanes(seconds=0.05), threading.Event(), []

    def hang() -> str:
        visits.append(1)
        gate.wait(30)
        return "late"

    first = lanes.read(7, "/proc/7", hang)
    assert isinstance(first, Unread)
    assert first.where == "/proc/7"
    assert "hangs" in first.why
    again = lanes.read(7, "/proc/7", hang)
    assert isinstance(again, Unread)
    assert len(visits) == 1, "it is not visited while it hangs"
    assert lanes.read(8, "/proc/8", lambda: "fine") == "fine"
    assert lanes.hanging() == {7}
    gate.set()
    while lanes.hanging():
        threading.Event().wait(0.01)
    assert lanes.read(7, "/proc/7", lambda: "back") == "back"


def test_with_too_many_hanging_nothing_more_is_tried() -> None:
    lanes, gate = Lanes(seconds=0.01, most_hanging=3), threading.Event()
    for key in range(3):
        lanes.read(key, "x", lambda: gate.wait(30))
    refused = lanes.read(99, "x", lambda: "never")
    assert isinstance(refused, Unread)
    assert "3 reads of other processes hang" in refused.why
    gate.set()
