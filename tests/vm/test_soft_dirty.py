"""Pages counted without a fork, beside what a real fork then copies, on a kernel that has soft-dirty bits."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from checker.units import MIB
from tests.vm import machine

pytestmark = pytest.mark.live

GUEST = Path(__file__).with_name("soft_dirty_guest.py")
PACKAGE = Path(__file__).parents[2] / "checker"
REDIS = Path("/usr/bin/redis-server")  # Debian's: the guest looks for it there

WITHIN = 0.05
ABOVE_BEYOND = 0.25
"""How far above it may be where it had to be extrapolated: on a busy machine saves last as they like."""

CHILD_BYTES = 1.2 * MIB
"""What the child copies by its own work, without compression; the pages that were counted have none of it."""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the kernel that is fetched is for x86-64")
@pytest.mark.skipif(not REDIS.exists(), reason=f"no {REDIS}")
def test_the_pages_counted_are_those_that_a_fork_copies(tmp_path: Path) -> None:
    console = machine.run(GUEST, [REDIS], PACKAGE, tmp_path)
    results = [json.loads(line.partition("RESULT ")[2]) for line in console.splitlines() if "RESULT " in line]
    assert results, console[-2000:]
    loads = [result for result in results if "told" in result]
    assert [result["refusal"] for result in results if "refusal" in result] == ["None"]
    (excluded,) = (result["excluded"] for result in results if "excluded" in result)
    assert "another measurement of this process is under way" in excluded
    assert len(loads) == 4, console[-2000:]
    for load in loads:
        short = load["copied"] - CHILD_BYTES - load["told"]
        assert short <= WITHIN * load["copied"], load
        # Far beyond the time that was measured the count is an upper bound, and said to be one.
        above = WITHIN if load["save_writes"] <= 1.25 * load["writes"] else ABOVE_BEYOND
        assert load["told"] <= (1 + above) * load["copied"], load
