"""What is remembered of servers, and when it is forgotten."""

from __future__ import annotations

import pytest

from checker.agent.book import ERROR_BUCKETS, KEEP_SECONDS, Book, Fork, Labels
from checker.facts import WatchedFork
from checker.model.calibration import REMEMBERED_FORKS

ME, OTHER = Labels("shop", "a", "redis", "x"), Labels("shop", "b", "redis", "x")


def a_fork(copied: int | None = 100, predicted: int | None = 100, **changed: object) -> Fork:
    lesson = WatchedFork(resident_bytes=1, copied_bytes=copied or 0, seconds=1.0, lifetime_seconds=1.0, writes=None)
    fields: dict[str, object] = {"cause": "rdb", "result": "saved", "seconds": 1.0, "ended_at": 1.0, "lesson": lesson}
    return Fork(copied_bytes=copied, predicted_bytes=predicted, **{**fields, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("predicted", "bucket"),
    [(100, 0), (101, 0), (99, 0), (102, 1), (110, 3), (300, 7), (50, 5), (1000, len(ERROR_BUCKETS))],
)
def test_an_error_falls_into_its_bucket(predicted: int, bucket: int) -> None:
    book = Book()
    book.add(ME, a_fork(predicted=predicted))
    errors = book.copy()[ME].errors
    assert [i for i, count in enumerate(errors) if count] == [bucket]


@pytest.mark.parametrize(
    "fork",
    [a_fork(copied=None), a_fork(predicted=None), a_fork(result="killed"), a_fork(result="failed"), a_fork(copied=0)],
    ids=["not counted", "not predicted", "killed", "failed", "nothing copied"],
)
def test_what_cannot_be_compared_has_no_error(fork: Fork) -> None:
    book = Book()
    book.add(ME, fork)
    history = book.copy()[ME]
    assert sum(history.errors) == 0
    assert sum(history.forks.values()) == 1


def test_only_the_last_forks_teach() -> None:
    book = Book()
    for number in range(REMEMBERED_FORKS + 3):
        book.add(ME, a_fork(copied=number + 1))
    lessons = book.lessons(ME)
    assert [lesson.copied_bytes for lesson in lessons] == list(range(4, REMEMBERED_FORKS + 4))
    assert book.lessons(OTHER) == ()


def test_who_has_gone_is_forgotten_in_time_and_not_before() -> None:
    book = Book()
    book.present(frozenset({ME, OTHER}), 0.0)
    book.add(ME, a_fork(result="killed"))
    book.present(frozenset({OTHER}), 10.0)
    book.present(frozenset({OTHER}), 10.0 + KEEP_SECONDS)
    assert book.copy().keys() == {ME, OTHER}
    book.present(frozenset({OTHER}), 10.1 + KEEP_SECONDS)
    assert book.copy().keys() == {OTHER}


def test_who_comes_back_in_time_keeps_its_history() -> None:
    book = Book()
    book.present(frozenset({ME}), 0.0)
    book.add(ME, a_fork())
    for now in (KEEP_SECONDS * n / 2 for n in range(1, 6)):
        book.present(frozenset() if round(now) % 2 else frozenset({ME}), now)
    book.present(frozenset({ME}), 3 * KEEP_SECONDS)
    assert book.copy()[ME].forks[("rdb", "saved")] == 1


def test_a_copy_does_not_change_with_the_book() -> None:
    book = Book()
    book.add(ME, a_fork())
    before = book.copy()
    book.add(ME, a_fork(predicted=1))
    assert sum(before[ME].forks.values()) == 1
    assert sum(before[ME].errors) == 1
