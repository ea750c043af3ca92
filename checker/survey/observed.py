"""What agents have measured, by way of Prometheus, in the place of what is assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Final, NamedTuple

from checker.facts import Server, Sourced, WatchedFork
from checker.manifests.objects import at, sequence
from checker.survey.owners import Found

MOST_STEPS: Final = 5760
"""Moments that are looked at: every 15 s of a day, as often as agents are scraped. Prometheus loads 50 million samples
for a query at most (--query.max-samples)."""

_SERVER: Final = "namespace,pod,container,server,instance"


def queries(hours: int) -> Mapping[str, str]:
    """What is asked: a name of ours → PromQL. A rate that an agent only assumes is no observation."""
    step = max(1, hours * 3600 // MOST_STEPS)
    counted = f'max by ({_SERVER}) (bgsafe_server_info{{write_rate!="assumed"}})'
    rate = f"max by ({_SERVER}) (bgsafe_write_rate_per_second) * on({_SERVER}) {counted}"
    last = {
        "copied": "bgsafe_fork_cow_bytes",
        "lifetime": "bgsafe_fork_duration_seconds",
        "ended": "bgsafe_fork_end_timestamp_seconds",
        "resident": "bgsafe_server_resident_bytes",
    }
    return {
        # Between two steps, there is what is true now.
        "rate": f"max_over_time(({rate})[{hours}h:{step}s]) or ({rate})",
        **{name: f"last_over_time({metric}[{hours}h])" for name, metric in last.items()},
    }


class Where(NamedTuple):
    """A container of a pod. Without a namespace, the pod is a UID and the container not known: agents that are not told
    names by the API server have no others."""

    namespace: str
    pod: str
    container: str


@dataclass(slots=True)
class Observed:
    """What was measured of one container; None where nothing was."""

    rate: float | None = None
    fork: dict[str, float] = field(default_factory=dict)  # the last one: copied, lifetime, ended, resident


def gather(answers: Mapping[str, Sequence[Any]]) -> dict[Where, Observed]:
    """The series of all answers by container; of several servers in one, the fastest and the last to fork."""
    found: dict[Where, Observed] = {}
    forks: dict[tuple[Where, str], dict[str, float]] = {}
    for name, series in answers.items():
        for one in series:
            labels, value = at(one, "metric"), _number(at(one, "value"))
            where = Where(*(str(at(labels, label) or "") for label in Where._fields))
            if value is None or not where.pod:
                continue
            if not where.namespace:
                where = where._replace(container="")
            observed = found.setdefault(where, Observed())
            if name == "rate":
                observed.rate = max(value, observed.rate or 0.0)
            else:
                forks.setdefault((where, str(at(labels, "server"))), {})[name] = value
    for (where, _), fork in sorted(forks.items(), key=lambda each: each[1].get("ended", 0.0)):
        if fork.keys() >= {"copied", "lifetime", "ended", "resident"}:
            found[where].fork = fork
    return found


def _number(sample: Any) -> float | None:
    """The value of `[time, "12.5"]`; None where it is no number that can be counted with."""
    try:
        value = float(sequence(sample)[1])
    except (IndexError, TypeError, ValueError):
        return None
    return value if isfinite(value) and value >= 0 else None


def with_observed(found: Found, observed: Mapping[Where, Observed], hours: int) -> Server:
    """The server, with the highest rate of all its pods, and the last fork of each."""
    server = found.server
    seen = [
        (pod.name, each)
        for pod in found.pods
        for where in (Where(pod.namespace, pod.name, server.subject.container or ""), Where("", pod.uid, ""))
        if (each := observed.get(where))
    ]
    rates = [(each.rate, pod) for pod, each in seen if each.rate is not None]
    if rates:
        rate, pod = max(rates)
        server = replace(server, observed_rate=Sourced(rate, f"Prometheus: highest of {hours} h, of pod {pod}"))
    forks = sorted((each.fork for _, each in seen if each.fork), key=lambda fork: fork["ended"])
    return replace(server, forks=tuple(_fork(fork) for fork in forks if fork["resident"] > 0))


def _fork(fork: Mapping[str, float]) -> WatchedFork:
    return WatchedFork(
        resident_bytes=round(fork["resident"]),
        copied_bytes=round(min(fork["copied"], fork["resident"])),
        seconds=fork["lifetime"],
        lifetime_seconds=fork["lifetime"],
        writes=None,
    )
