"""One real save, as a line of JSON: what was loaded and written, and what the fork then cost.

The format is that of the recorded cases: sizes in bytes, one object a line. Everything up to the fork may be used to
predict (and `writes_during_save`, which is the input that a prediction is *given*); what comes after it is measurement.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from checker.lab.kinds import OVERWRITE, write_name
from checker.policy import Distribution

SAVED: Final = "ok"
"""`status` of a save that finished."""


class CaseError(ValueError):
    """A case that cannot be read; the message names the file, the line and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A load and the save that was made under it. `None`: not recorded, or the save did not get that far."""

    engine: str  # server-version-allocator: redis-7.0.15-jemalloc
    keys: int
    key_bytes: int
    value_bytes: int
    type: str | None = None  # of the lab's KINDS; None: string, as all that were recorded without a type
    elements: int | None = None  # of a key; `value_bytes` is then that of each
    encoding: str | None = None  # what the server made of it (OBJECT ENCODING)
    value_memory_bytes: int | None = None  # MEMORY USAGE of one key
    command: str | None = OVERWRITE  # the write
    fork: str | None = None  # what forked; None: BGSAVE
    compression: bool | None = None  # rdbcompression; None: yes, its default
    policy: str | None = None  # maxmemory-policy; None: noeviction, its default, or what the write brings with it
    distribution: Distribution
    write_rate_per_second: float | None = None
    save_seconds: float | None = None  # after the fork: wall time until the child was gone
    writes_during_save: int  # counted by the server; before the fork: what is expected
    rss_anon_bytes: int  # of the server, just before the fork
    used_memory_bytes: int | None = None
    used_memory_dataset_bytes: int | None = None
    vm_pte_bytes: int | None = None
    fork_microseconds: int | None = None  # after the fork: latest_fork_usec
    last_cow_bytes: int | None = None  # after the fork: rdb_last_cow_size
    peak_cow_seen_bytes: int | None = None  # after the fork: current_cow_peak, or what the child had privately
    cgroup_anon_before_bytes: int | None = None  # None: no memory cgroup of its own
    cgroup_anon_peak_bytes: int | None = None  # after the fork
    status: str | None = None  # "ok", or how the save ended; None before the fork
    hz: int | None = None  # how often a second the server looks whether its child is gone; None: Redis' default, 10
    extra: Mapping[str, object] = field(default_factory=dict)  # fields of a recorded line that are not ours

    def server(self) -> tuple[str, str, str]:
        """Name, version and allocator: `("redis", "7.0.15", "jemalloc")`."""
        name, version, allocator = self.engine.split("-", 2)
        return name, version, allocator

    def is_of_another_type(self) -> bool:
        """Is this anything but strings that are overwritten under the default settings?"""
        return self.type is not None or self.write() != "SET" or self.policy is not None

    def shape(self) -> str:
        """How many keys of what: `600,000 × 100`, or `1 zset × 400,000 × 20`."""
        if self.type is None:
            return f"{self.keys:,} × {self.value_bytes:,}"
        return f"{self.keys:,} {self.type} × {self.elements or 1:,} × {self.value_bytes:,}"

    def write(self) -> str:
        """What was written, as the lab's table of types names it: `SET`, `HSET`, …"""
        return write_name(self.command)

    def measured_cow(self) -> int | None:
        """Bytes that the save copied: `rdb_last_cow_size`, the child's private dirty pages when it had finished.

        Where the child dismisses what it has saved (docs/model.md, "Regions"), the peak on the way is above it:
        `peak_cow_seen_bytes` and the cgroup's anon peak see that.
        """
        return self.last_cow_bytes if self.status in (SAVED, None) else None

    def to_fields(self) -> dict[str, object]:
        """Give the line of the recorded format back, in its order, without what was never there."""
        known = {name: getattr(self, name) for name in _KINDS}
        known["distribution"] = str(self.distribution).replace(":", "")
        return {name: value for name, value in known.items() if value is not None} | dict(self.extra)


_ENGINE = re.compile(r"[a-z]+-\d[\w.]*-[a-z]\w*", re.ASCII)

_REQUIRED = ("engine", "keys", "key_bytes", "value_bytes", "distribution", "rss_anon_bytes", "writes_during_save")

_KINDS: Final[Mapping[str, str]] = {
    "engine": "text",
    "keys": "positive",
    "key_bytes": "positive",
    "value_bytes": "positive",
    "type": "text",
    "elements": "positive",
    "encoding": "text",
    "value_memory_bytes": "positive",
    "command": "text",
    "fork": "text",
    "compression": "truth",
    "policy": "text",
    "distribution": "text",
    "write_rate_per_second": "number",
    "save_seconds": "number",
    "writes_during_save": "count",
    "rss_anon_bytes": "positive",
    "used_memory_bytes": "count",
    "used_memory_dataset_bytes": "count",
    "vm_pte_bytes": "count",
    "fork_microseconds": "count",
    "last_cow_bytes": "count",
    "peak_cow_seen_bytes": "count",
    "cgroup_anon_before_bytes": "count",
    "cgroup_anon_peak_bytes": "count",
    "status": "text",
    "hz": "positive",
}
"""Field → what its value must be, in the order of the recorded lines."""


def _checked(name: str, value: object) -> object:
    """Return the value if it is what the field holds; raise CaseError if not."""
    kind = _KINDS[name]
    if kind == "text":
        if isinstance(value, str):
            return value
        raise CaseError(f"{name}: {value!r} is not text")
    if kind == "truth":
        if isinstance(value, bool):
            return value
        raise CaseError(f"{name}: {value!r} is neither true nor false")
    if kind == "number":
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
            return value
        raise CaseError(f"{name}: {value!r} is not a number of at least 0")
    least = 1 if kind == "positive" else 0
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise CaseError(f"{name}: {value!r} is not a whole number of at least {least}")


def parse_case(line: str) -> Case:
    """Read one line; raise CaseError with the field that is wrong or missing."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CaseError(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise CaseError(f"expected an object with fields, not {line.strip()[:40]!r}")
    for name in _REQUIRED:
        if fields.get(name) is None:
            raise CaseError(f"{name}: is missing")
    known = {name: _checked(name, fields[name]) for name in _KINDS if fields.get(name) is not None}
    if not _ENGINE.fullmatch(str(known["engine"])):
        raise CaseError(f"engine: {known['engine']!r} is not server-version-allocator (like redis-7.0.15-jemalloc)")
    try:
        known["distribution"] = Distribution.parse(str(known["distribution"]))
    except ValueError as error:
        raise CaseError(f"distribution: {error}") from error
    extra = {name: value for name, value in fields.items() if name not in _KINDS}
    return Case(**known, extra=extra)  # type: ignore[arg-type]  # _checked() has looked at each


def read_jsonl(path: Path) -> tuple[Case, ...]:
    """Read recorded cases, in order; raise CaseError with file, line number and field, OSError where there is no file.

    Blank lines are skipped; a file without any case is an error, since nothing would be judged.
    """
    cases = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                cases.append(parse_case(line))
            except CaseError as error:
                raise CaseError(f"{path} line {number}: {error}") from error
    if not cases:
        raise CaseError(f"{path}: holds no case (expected one JSON object a line)")
    return tuple(cases)


def append_jsonl(path: Path, cases: Iterable[Case]) -> None:
    """Append cases to a file of recorded ones, which is made if need be; raise OSError."""
    with path.open("a", encoding="utf-8") as file:
        for case in cases:
            file.write(json.dumps(case.to_fields()) + "\n")
