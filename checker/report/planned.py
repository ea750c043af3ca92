"""What `bgsafe plan` answers, beside the verdict on what it proposes: data that the reports render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unknown = Literal["maxmemory", "limit", "write rate"]
"""What may be asked for: the third of three, from the two others."""


@dataclass(frozen=True, slots=True)
class RateRow:
    """What a save needs at one write rate, with the planned maxmemory."""

    write_rate_per_second: float | None  # None: the worst case, whatever the rate
    save_seconds: float
    copied_bytes: int
    limit_needed_bytes: int
    fits: bool  # the planned limit


@dataclass(frozen=True, slots=True)
class ThumbRow:
    """What a usual rule of thumb gives, and the write rate at which it dies."""

    rule: str
    maxmemory_bytes: int
    limit_bytes: int
    write_budget_per_second: float | None  # None: it holds at any rate; 0: at none


@dataclass(frozen=True, slots=True)
class Snippet:
    """Text to paste; `language` is that of a Markdown fence."""

    name: str
    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer of `bgsafe plan`. `write_rate_per_second` None: any rate fits."""

    asked_for: Unknown | None  # None: all three were given, and checked
    answer: str
    maxmemory_bytes: int
    limit_bytes: int
    write_rate_per_second: float | None
    rates: tuple[RateRow, ...]  # empty where nothing forks
    rules_of_thumb: tuple[ThumbRow, ...]
    snippets: tuple[Snippet, ...]
    doubt: str  # how far such predictions were from real forks
    roomier: str | None  # the answer for a tenth more writes; None: the rate was asked for, or does not matter
