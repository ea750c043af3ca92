"""How long a child lives under a CPU limit. Source: docs/model.md, "What makes a save longer"."""

from __future__ import annotations

WRITE_CPU_SECONDS = 15e-6
"""CPU time that the server takes for one small write: a judgement, from 60,000–70,000 writes/s on one core."""


def cpu_stretch_ratio(cores: float | None, write_rate_per_second: float) -> float:
    """How much longer a save takes under a CPU limit: the child wants one core, and the server takes its own first.

    Under the completely fair scheduler neither of two busy processes gets less than half. `None`: no limit.
    """
    if cores is None or cores <= 0:
        return 1.0
    server = min(1.0, write_rate_per_second * WRITE_CPU_SECONDS)
    child = max(cores / 2, cores - server)
    return max(1.0, 1.0 / child)
