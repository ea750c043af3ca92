"""What watched forks put in the place of assumptions: pages a write, or pages a second, and the time of a save."""

from __future__ import annotations

from dataclasses import dataclass, replace

from checker.facts import Server, Sourced, Written
from checker.model.calibration import (
    TRUSTED_FORKS,
    Learned,
    pages_per_write,
    save_throughput,
    touches_per_second,
)
from checker.model.cow import touched_per_write
from checker.model.workload import Workload
from checker.policy import Assumptions
from checker.units import format_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a save works on, how fast it is written to, and how long it takes, each with its source."""

    workload: Sourced[Workload]
    rate: Sourced[float]
    seconds: Sourced[float]


def learned(inputs: Inputs, server: Server, assumptions: Assumptions, *, best_guess: bool) -> Inputs:
    """The inputs as the server's watched forks correct them; as they were where there are none.

    `best_guess`: what is most likely, for a prediction; else what is safe to assume, for a verdict.
    """
    if not server.forks:
        return inputs
    seconds = _seconds(inputs, server, assumptions, best_guess=best_guess)
    inputs = replace(inputs, seconds=seconds)
    if isinstance(server.written, Written):
        return inputs  # counted on the server itself, and newer than any fork
    if writes_are_known(server, assumptions):
        return _with_pages(inputs, server, best_guess=best_guess)
    return _with_rate(inputs, server, best_guess=best_guess)


def writes_are_known(server: Server, assumptions: Assumptions) -> bool:
    """Is the write rate measured or stated, not assumed?"""
    measured = server.info is not None and isinstance(server.info.write_rate_per_second, float)
    return measured or assumptions.write_rate_per_second is not None


def _seconds(inputs: Inputs, server: Server, assumptions: Assumptions, *, best_guess: bool) -> Sourced[float]:
    stated = assumptions.save_seconds is not None or assumptions.save_throughput_per_second is not None
    resident, seconds = inputs.workload.value.resident_bytes, inputs.seconds
    if stated or resident <= 0 or seconds.value <= 0:
        return seconds
    found = save_throughput(server.forks, resident / seconds.value)
    if found is None:
        return seconds
    throughput = found.best if best_guess else found.bound
    source = f"{format_bytes(resident)} at {format_bytes(round(throughput))}/s, {_words(found)}"
    return Sourced(resident / throughput, source)


def _with_pages(inputs: Inputs, server: Server, *, best_guess: bool) -> Inputs:
    workload = inputs.workload.value
    writes = inputs.rate.value * inputs.seconds.value
    found = pages_per_write(server.forks, workload, touched_per_write(workload), writes)
    if found is None:
        return inputs
    pages = found.best if best_guess else found.bound
    return replace(
        inputs, workload=Sourced(replace(workload, measured_pages_per_write=pages), f"measured: {_words(found)}")
    )


def _with_rate(inputs: Inputs, server: Server, *, best_guess: bool) -> Inputs:
    """Without a count of writes, forks tell the product of rate and pages a write: the pages stay, the rate follows."""
    workload = inputs.workload.value
    pages = touched_per_write(workload)
    found = touches_per_second(server.forks, workload, inputs.rate.value * pages)
    if found is None or pages <= 0:
        return inputs
    touches = found.best if best_guess else found.bound
    if server.observed_rate is not None and touches <= inputs.rate.value * pages:
        return inputs  # the forks may have come in a quiet hour
    return replace(
        inputs,
        workload=Sourced(replace(workload, measured_pages_per_write=pages), inputs.workload.source),
        rate=Sourced(touches / pages, f"pages copied, at {pages:.1f} a write: {_words(found)}"),
    )


def _words(found: Learned) -> str:
    forks = "1 watched fork" if found.forks == 1 else f"{found.forks} watched forks"
    if found.forks >= TRUSTED_FORKS:
        return forks
    return f"{forks}, never milder than without before {TRUSTED_FORKS}"
