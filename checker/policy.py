"""Thresholds, defaults, modes and exemptions: what the operator decides, as against what was observed.

File format: checker/policy_file.py; every key is optional, an unknown key or a wrong value is an error with its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from checker.units import MIB

DEFAULT_WRITE_RATE_PER_SECOND = 1000.0
"""A judgement: a busy cache. Replace it by `--redis`, `bgsafe agent` or the bgsafe.io/write-rate annotation."""

DEFAULT_SAVE_THROUGHPUT = 80 * MIB
"""Resident bytes per second of a save: a judgement, below the 100–250 MB/s per core that were measured."""

DEFAULT_FRAGMENTATION = 1.1
"""Resident / used_memory, from the 1.03–1.12 that were measured on fresh data; churn raises it."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Which keys the writes go to.

    `uniform`: all alike (the worst for a given number of writes, and so the default). `zipf`: the key of rank r has
    weight 1/r^parameter. `hot`: 90 % of the writes go to `parameter` per cent of the keys, the rest to all keys.
    """

    kind: Literal["uniform", "zipf", "hot"] = "uniform"
    parameter: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """Read `uniform`, `zipf:0.99`, `hot:10` (and the recorded cases' `zipf0.99`, `hot10`); raise ValueError."""
        expected = (
            f"{text!r} is not a distribution (expected uniform, zipf:S with S > 0, or hot:PCT with 0 < PCT <= 100)"
        )
        if text == "uniform":
            return cls()
        for kind in ("zipf", "hot"):
            if text.startswith(kind):
                try:
                    parameter = float(text.removeprefix(kind).removeprefix(":"))
                except ValueError as error:
                    raise ValueError(expected) from error
                if not 0 < parameter <= (100 if kind == "hot" else 20):
                    raise ValueError(expected)
                return cls(kind, parameter)
        raise ValueError(expected)

    def __str__(self) -> str:
        return self.kind if self.kind == "uniform" else f"{self.kind}:{self.parameter:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the person at the command line states; `None` leaves it to measurement, declaration or policy."""

    write_rate_per_second: float | None = None
    save_seconds: float | None = None
    save_throughput_per_second: int | None = None  # bytes per second
    fragmentation_ratio: float | None = None
    keys: int | None = None
    key_bytes: int | None = None
    value_bytes: int | None = None
    distribution: Distribution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's choices."""

    write_rate_per_second: float = DEFAULT_WRITE_RATE_PER_SECOND
    save_throughput_per_second: int = DEFAULT_SAVE_THROUGHPUT
    fragmentation_ratio: float = DEFAULT_FRAGMENTATION
    mode: Literal["enforce", "warn", "audit", "off"] = "warn"
    deny_on: Literal["unsafe", "risky"] = "unsafe"
    unknown: Literal["warn", "deny"] = "warn"
    engines: tuple[EngineImage, ...] = ()
    exempt: tuple[Exemption, ...] = ()
    source: str = field(default="built-in defaults")

    def exemption(self, namespace: str | None, name: str) -> Exemption | None:
        """The first entry that exempts this object; one that names no namespace is met by `*` alone."""
        for entry in self.exempt:
            if fnmatchcase(namespace or "", entry.namespace) and fnmatchcase(name, entry.name):
                return entry
        return None


@dataclass(frozen=True, slots=True)
class EngineImage:
    """`engines:` an image pattern that the built-in table does not know."""

    image: str
    engine: str


@dataclass(frozen=True, slots=True)
class Exemption:
    """`exempt:` objects that are not judged."""

    namespace: str
    name: str = "*"
    reason: str = ""
