"""What agents measured, from a Prometheus that scrapes them: write rates and forks in place of assumptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from checker.facts import Info, Server, Unread, WatchedFork

WINDOW: Final = "1d"
"""The highest write rate of so long counts: a day has its busy hour."""

_MEASURED: Final = (
    "bgsafe_write_rate_per_second * on (namespace, pod, container, server) group_left (write_rate) "
    'bgsafe_server_info{write_rate!="assumed"}'
)

RATE: Final = f"max_over_time(({_MEASURED})[{WINDOW}:1m]) or ({_MEASURED})"
"""A subquery, for an agent that has just started assumes a rate; and the rate of now, between two of its steps."""

COPIED: Final = "bgsafe_fork_cow_bytes"
LASTED: Final = "bgsafe_fork_duration_seconds"
RESIDENT: Final = "bgsafe_server_resident_bytes"

QUERIES: Final = (RATE, COPIED, LASTED, RESIDENT)
"""What is asked, each once."""

NOT_ASKED: Final = Unread("INFO", "agents do not publish it", "")


@dataclass(frozen=True, slots=True)
class Observed:
    """One pod's server, as its agent saw it. `None`: not measured."""

    write_rate_per_second: float | None = None
    fork: WatchedFork | None = None


def observations(answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[tuple[str, str], Observed]:
    """(namespace, pod) → what was measured; of several servers in a pod, the busiest counts.

    An agent without the API server's names knows a pod by its UID, and no namespace.
    """
    by_pod: dict[tuple[str, str], dict[str, float]] = {}
    for query in QUERIES:
        for sample in answers.get(query, ()):
            labels, value = sample.get("metric") or {}, _number(sample)
            namespace, pod = str(labels.get("namespace", "")), str(labels.get("pod", ""))
            if value is not None and pod:
                held = by_pod.setdefault((namespace, pod), {})
                held[query] = max(value, held.get(query, 0.0))
    return {key: Observed(held.get(RATE), _fork(held)) for key, held in by_pod.items()}


def _number(sample: Mapping[str, Any]) -> float | None:
    """The value of an instant vector's sample; None for what is no amount (NaN, +Inf, a histogram)."""
    try:
        value = float(sample["value"][1])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return value if 0 <= value < float("inf") else None


def _fork(held: Mapping[str, float]) -> WatchedFork | None:
    copied, lasted, resident = held.get(COPIED), held.get(LASTED), held.get(RESIDENT)
    if copied is None or not lasted or not resident:
        return None
    return WatchedFork(
        resident_bytes=round(resident),
        copied_bytes=round(copied),
        seconds=lasted,
        lifetime_seconds=lasted,
        writes=None,
    )


def with_observed(server: Server, observed: Sequence[Observed]) -> Server:
    """The server with the highest write rate of its pods, and with their forks."""
    forks = tuple(each.fork for each in observed if each.fork is not None)
    rates = [each.write_rate_per_second for each in observed if each.write_rate_per_second is not None]
    if forks:
        server = replace(server, forks=forks)
    if not rates:
        return server
    unread: dict[str, Any] = {each.name: NOT_ASKED for each in fields(Info)}
    highest = f"measured by agents: the highest of {len(rates)} pod{'' if len(rates) == 1 else 's'} in {WINDOW}"
    return replace(server, info=Info(**{**unread, "write_rate_per_second": max(rates), "write_rate_source": highest}))
