"""What was concluded: findings, the estimate with the source of every number, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from checker.facts import Server
from checker.model.overcommit import Fork
from checker.model.peak import Save

Status = Literal["pass", "warn", "fail", "unknown", "ignored"]
Grade = Literal["safe", "risky", "unsafe", "unknown"]
Cause = Literal["rdb", "aof", "replication"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's answer: one sentence with numbers, and what to change."""

    rule: str
    status: Status
    message: str
    remedy: str | None = None
    ignored_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The numbers of JSON schema v1, bytes unless the name says otherwise, with where each input came from.

    `limit_bytes` None is no limit where `sources["limit_bytes"]` says so, unread otherwise ("unread: …");
    `write_budget_per_second` None means that any rate fits (or that there is no limit to fit).
    """

    resident_bytes: int
    maxmemory_bytes: int | None
    limit_bytes: int | None
    page_size_bytes: int
    write_rate_per_second: float
    save_seconds: float
    pages_per_write: float
    cow_worst_bytes: int
    cow_expected_bytes: int
    peak_worst_bytes: int
    peak_expected_bytes: int
    headroom_worst_bytes: int | None
    headroom_expected_bytes: int | None
    write_budget_per_second: float | None
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The smallest limit, or the largest maxmemory, with which the expected case fits."""

    limit_bytes: int | None = None
    maxmemory_bytes: int | None = None
    patch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for one server."""

    server: Server
    grade: Grade
    fork_causes: tuple[Cause, ...]
    estimate: Estimate | None
    fork: Fork
    findings: tuple[Finding, ...]
    recommendation: Recommendation
    save: Save | None = None  # what the estimate was computed from, for "what if"; None: there is no estimate
