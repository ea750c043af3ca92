"""What there is to say of one object, in words of bounded length: it can be kept, as the verdicts behind it cannot.

A verdict holds what the object expands to, and a few lines of variables expand to megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from checker.verdict import Grade, Verdict
from webhook.review.ratchet import grade_of, shortfall_bytes
from webhook.review.response import MAX_WARNINGS_CHARACTERS, audit_annotations, sentences, warning_lines

MOST_CHARACTERS: Final = 2 * MAX_WARNINGS_CHARACTERS
"""Of all sentences together; more than any answer has room for, so that it cuts them as it would cut the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """On one object, whoever asks."""

    grade: Grade | None  # None: there is no server in it
    shortfall_bytes: int | None  # of the worst server, None where nobody knows
    annotations: Mapping[str, str]
    warnings: tuple[str, ...]  # lines, where nothing else is to be said
    sentences: tuple[str, ...]
    sentences_with_urls: tuple[str, ...]


def opinion_of(verdicts: Sequence[Verdict], *, others: bool = False) -> Opinion:
    """Put the verdicts on an object's servers into words; `others`: the servers are those of other objects."""
    short = tuple(_bounded(sentences(verdicts, urls=False, others=others)))
    return Opinion(
        grade=grade_of(verdicts) if verdicts else None,
        shortfall_bytes=shortfall_bytes(verdicts),
        annotations=audit_annotations(verdicts),
        warnings=tuple(warning_lines(short)),
        sentences=short,
        sentences_with_urls=tuple(_bounded(sentences(verdicts, urls=True, others=others))),
    )


def _bounded(sentences: Iterable[str]) -> Iterator[str]:
    room = MOST_CHARACTERS
    for sentence in sentences:
        yield sentence[:room]
        room -= len(sentence)
        if room <= 0:
            return
