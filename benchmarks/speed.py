"""How fast: each figure the median of several runs, beside what it is compared with in the same run."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from checker.facts import Engine, Population
from checker.model.cow import copied_bytes
from checker.model.peak import Save, write_budget_per_second
from checker.model.workload import Workload
from checker.policy import Distribution
from checker.probes.observe import observe
from checker.rules import judge_all

RUNS: Final = 15
REPOSITORY: Final = Path(__file__).parents[1]
TREE: Final = REPOSITORY / "tests/fixtures/proc_redis_7.0_v1_cgroup"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: milliseconds, and what they are to be compared with."""

    what: str
    milliseconds: float
    beside: str
    beside_milliseconds: float

    def row(self) -> str:
        """A line of Markdown."""
        ratio = self.milliseconds / self.beside_milliseconds
        return (
            f"| {self.what} | {self.milliseconds:.2f} | {self.beside} | {self.beside_milliseconds:.2f} | {ratio:.1f} |"
        )


def milliseconds(action: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall time of an action."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1000)
    return median(times)


def command(*arguments: str) -> Callable[[], object]:
    """Run a command to its end, with its output thrown away."""
    return lambda: subprocess.run(arguments, check=False, capture_output=True)


def workload(keys: int) -> Workload:
    """A Zipf workload on so many keys of 100 bytes: the slowest kind to compute."""
    return Workload(
        resident_bytes=keys * 194,
        page_size_bytes=4096,
        copy_unit_bytes=4096,
        engine=Engine(name="redis", version="7.0.15", allocator="jemalloc-5.3.0", forks=True),
        shape=(Population(keys, 100, 10),),
        distribution=Distribution("zipf", 0.99),
        compression=True,
    )


def uncached(keys: int) -> Callable[[], object]:
    """Compute the copies of a number of writes that is new each time, so that no cache answers."""
    load, writes = workload(keys), iter(range(1_000_000, 2_000_000))
    return lambda: copied_bytes(load, next(writes) + 0.5)


def figures() -> list[Figure]:
    """All of them; takes half a minute."""
    bgsafe = str(Path(sys.executable).with_name("bgsafe"))
    bare = milliseconds(command(sys.executable, "-c", "pass"))
    million, hundred_million = milliseconds(uncached(10**6)), milliseconds(uncached(10**8))
    load = workload(10**6)
    save = Save(workload=load, seconds=3, base_bytes=load.resident_bytes, child_page_tables_bytes=0)
    listing = milliseconds(lambda: [(entry / "comm").exists() for entry in Path("/proc").iterdir()])
    scan = milliseconds(observe)
    observation = observe(TREE)
    judged = milliseconds(lambda: judge_all(observation.servers, observation.node))
    return [
        Figure("`bgsafe --version`, cold", milliseconds(command(bgsafe, "--version")), "`python -c pass`", bare),
        Figure(
            "`bgsafe node` on a captured tree",
            milliseconds(command(bgsafe, "node", "--root", str(TREE))),
            "the same",
            bare,
        ),
        Figure("copies of a Zipf workload, 10^8 keys", hundred_million, "10^6 keys", million),
        Figure(
            "write budget, 10^6 keys", milliseconds(lambda: write_budget_per_second(save, 3e8)), "one peak", million
        ),
        Figure("scan of this machine's processes", scan, "a bare look at each `comm`", listing),
        Figure("judgement of one server, all rules", judged, "one peak", million),
    ]


def peak_rss_mib() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
