"""What `bgsafe plan` proposes, tried: a real server under a real load in a cgroup of that size."""

from __future__ import annotations

from math import ceil

import pytest

from checker.facts import Engine
from checker.lab import Plan as Experiment
from checker.lab import Workload, run_case
from checker.lab.case import Case
from checker.lab.cgroup import refusal
from checker.lab.predict import Prediction, predict
from checker.lab.servers import NO_SERVER, find_servers
from checker.plan import Wish, plan
from checker.policy import Assumptions, Policy
from checker.units import MIB

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not find_servers(), reason=str(NO_SERVER)),
    pytest.mark.skipif(refusal() is not None, reason=str(refusal())),
]

LOAD = Workload(keys=400_000, value_bytes=100, write_rate_per_second=4_000)


def planned_for(rate_ratio: float):
    """The limit that a plan proposes for the data as it lies there, and so many times its writes."""

    def limit(_prediction: Prediction, case: Case) -> int:
        name, version, allocator = case.server()
        maxmemory = ceil((case.used_memory_bytes or case.rss_anon_bytes) / MIB) * MIB
        seconds = case.writes_during_save / LOAD.write_rate_per_second
        stated = Assumptions(
            write_rate_per_second=LOAD.write_rate_per_second * rate_ratio,
            save_seconds=seconds,
            fragmentation_ratio=max(1.0, case.rss_anon_bytes / maxmemory),
            value_bytes=LOAD.value_bytes,
            key_bytes=case.key_bytes,
        )
        engine = Engine(name=name, version=version, allocator=allocator, forks=True)
        return plan(Wish(maxmemory=maxmemory, engine=engine), stated, Policy())[0].limit_bytes

    return limit


@pytest.mark.parametrize(
    ("rate_ratio", "outcome"),
    [
        pytest.param(1.5, "saved", id="planned for more writes than come"),
        pytest.param(0.2, "server killed", id="planned for a fifth of them"),
    ],
)
def test_a_limit_holds_the_writes_that_it_was_planned_for(rate_ratio, outcome):
    experiment = Experiment(binary=find_servers()[0], workload=LOAD, limit=planned_for(rate_ratio))
    run = run_case(experiment, predict=predict)
    assert run.live is not None
    assert run.live.outcome == outcome
