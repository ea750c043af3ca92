"""One run: start, load, write, predict, fork, compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from checker.facts import Unread
from checker.lab import fork
from checker.lab.case import Case
from checker.lab.cgroup import MemoryCgroup
from checker.lab.interrupts import interruptible
from checker.lab.kinds import KEY_BYTES
from checker.lab.load import Workload, fill, writing
from checker.lab.predict import Prediction
from checker.lab.resp import Connection, ReplyError
from checker.lab.results import Live, Predict, Run
from checker.lab.server import LabError, RunningServer, running_server
from checker.lab.servers import Binary
from checker.policy import Assumptions
from checker.units import format_bytes
from checker.verdict import Grade

SETTLE_SECONDS: Final = 0.5
"""How long the load runs before a save: a judgement, so that the allocator's free lists look like those of a server
that has been written to."""

MAXMEMORY_RATIO: Final = 1.05
"""maxmemory over what the loaded keys use: a judgement; the load only overwrites, clients' buffers are what grows."""

GROWN_RATIO: Final = 2.0
"""maxmemory over what the loaded keys use, where the load makes more of them; those that evict begin at once."""

Progress = Callable[[str], None]

Ask = Callable[[int, str, Assumptions], Grade | None]
"""What would `bgsafe node --pid PID --redis URL` with these assumptions answer? None: it does not say it to us."""

Limit = Callable[[Prediction, Case], int]
"""The memory limit to set, from what was predicted."""


def silent(_message: str) -> None:
    """Progress that nobody sees."""


def fixed(limit_bytes: int) -> Limit:
    """A limit that the user gave."""
    return lambda _prediction, _case: limit_bytes


def share_of_growth(share: float) -> Limit:
    """What is resident, and a share of what the fork is expected to add: below 1 the save must not fit."""
    return lambda expected, case: case.rss_anon_bytes + round(share * (expected.peak_bytes - case.rss_anon_bytes))


def between(share: float) -> Limit:
    """Between the expected peak (0) and the worst one (1)."""
    return lambda expected, _case: round(
        expected.peak_bytes + share * (expected.worst_peak_bytes - expected.peak_bytes)
    )


def over_worst(factor: float) -> Limit:
    """A factor of the worst case's peak: above 1 nothing can go wrong."""
    return lambda expected, _case: round(factor * expected.worst_peak_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one run does."""

    binary: Binary
    workload: Workload
    limit: Limit | None = None  # None: no limit
    seed: int = 1
    fork: str = "bgsave"  # of fork.WAYS


def run_case(plan: Plan, *, predict: Predict, ask: Ask | None = None, progress: Progress = silent) -> Run:
    """Fork once for real, and say what was predicted before. Raises LabError, OSError, Interrupted.

    A first save under the same load tells how long one takes here; what is then expected of the second is fixed
    before its fork, when the limit has been set, and then the question is put to `ask`.
    """
    workload = plan.workload
    with interruptible(), _server(plan) as server, server.connect() as connection:
        _configure(connection, workload.settings)
        fill(connection, workload, plan.seed, progress)
        _settle(connection, workload)
        load = writing(server.socket_path, workload, plan.seed) if workload.write_rate_per_second else nullcontext()
        with load as writer:
            time.sleep(SETTLE_SECONDS)
            seconds = _trial_seconds(server, connection, plan, progress)
            time.sleep(SETTLE_SECONDS)
            writes = round(workload.write_rate_per_second * seconds)
            before = fork.before_fork(server, connection, workload, writes, plan.fork)
            expected = predict(before)
            limit_bytes = _set_limit(server, plan.limit, expected, before)
            grade = _grade(ask, server, workload, seconds) if ask is not None else None
            forked = fork.save(server, connection, before, progress)
        if writer is not None and writer.account is not None and writer.account.errors:
            raise LabError(f"{plan.binary}: {writer.account.errors} writes were answered with errors")
    live = Live(
        before=expected,
        expected_writes=before.writes_during_save,
        expected_seconds=seconds,
        outcome=forked.outcome,
        detail=forked.detail,
        limit_bytes=limit_bytes,
        grade=grade,
    )
    return Run(case=forked.case, prediction=predict(forked.case), live=live)


def _server(plan: Plan) -> AbstractContextManager[RunningServer]:
    return running_server(plan.binary, options=dict(fork.WAYS[plan.fork].options))


def _settle(connection: Connection, workload: Workload) -> None:
    """Leave the loading behind: give back what it freed, and set maxmemory just above what is used.

    What jemalloc gives back by itself does so ten seconds after, perhaps during the save: pages that only the child has
    left, which it counts as copies (2 MB were seen). Without maxmemory nothing would bound the dataset, and no limit
    could be safe.
    """
    connection.command("MEMORY", "PURGE")
    used, write = int(connection.info("memory")["used_memory"]), workload.operation()
    evicts = "maxmemory-policy" in write.settings
    ratio = 1.0 if evicts else GROWN_RATIO if write.grows else MAXMEMORY_RATIO
    _configure(connection, [*write.settings.items(), ("maxmemory", str(round(used * ratio)))])


def _configure(connection: Connection, settings: Iterable[tuple[str, str]]) -> None:
    for name, value in settings:
        try:
            connection.command("CONFIG", "SET", name, value)
        except ReplyError as error:
            raise LabError(f"CONFIG SET {name} {value}: {error}") from error


def _trial_seconds(server: RunningServer, connection: Connection, plan: Plan, progress: Progress) -> float:
    """How long a save takes under this load."""
    before = fork.before_fork(server, connection, plan.workload, 0, plan.fork)
    trial = fork.save(server, connection, before, progress)
    if trial.case.save_seconds is None:
        raise LabError(f"{server.binary}: a first save without a limit did not finish: {trial.outcome}, {trial.detail}")
    return trial.case.save_seconds


def _set_limit(server: RunningServer, limit: Limit | None, expected: Prediction, case: Case) -> int | None:
    """Limit the server's cgroup; return the limit, None for none. Raises LabError where that cannot be done."""
    if limit is None:
        return None
    if not isinstance(server.cgroup, MemoryCgroup):
        why = server.cgroup if isinstance(server.cgroup, Unread) else "it was started without"
        raise LabError(f"no limit can be set without a memory cgroup: {why}")
    limit_bytes = limit(expected, case)
    try:
        server.cgroup.set_limit(limit_bytes)
    except OSError as error:
        raise LabError(
            f"{server.cgroup.directory}: the limit {format_bytes(limit_bytes)} was not accepted: {error.strerror} "
            f"(the server alone has {format_bytes(case.rss_anon_bytes)} resident)"
        ) from error
    return limit_bytes


def _grade(ask: Ask, server: RunningServer, workload: Workload, save_seconds: float) -> Grade | None:
    plain = workload.type == "string" and workload.write == "SET"  # what --keys and --value-size describe
    assumptions = Assumptions(
        write_rate_per_second=workload.write_rate_per_second,
        save_seconds=save_seconds,
        keys=workload.keys if plain else None,
        key_bytes=KEY_BYTES if plain else None,
        value_bytes=workload.value_bytes if plain else None,
        distribution=workload.distribution,
    )
    return ask(server.pid, f"unix://{server.socket_path}", assumptions)
