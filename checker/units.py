"""Text ↔ bytes. The only module that multiplies by 1024.

The dialects differ (redis.conf `1k` is 1000, `1kb` is 1024; Kubernetes `1k` is 1000, `1Ki` is 1024, `1m` is a
thousandth; /proc/meminfo `kB` is 1024), so each has its own function. Every parser raises `UnitError` with the text.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from math import ceil

KIB = 1024
MIB = 1024**2
GIB = 1024**3

UINT64_MAX = 2**64 - 1


class UnitError(ValueError):
    """A size, duration or rate that cannot be read; the message holds the text and what is accepted."""


_REDIS_FACTORS = {"": 1, "b": 1, "k": 1000, "kb": KIB, "m": 1000**2, "mb": MIB, "g": 1000**3, "gb": GIB}
_REDIS = re.compile(r"(-?\d+)([a-z]*)", re.IGNORECASE | re.ASCII)


def parse_meminfo_kb(text: str) -> int:
    """Bytes of a /proc value such as `2048 kB` (or a bare count such as `HugePages_Total: 3`, returned as it is)."""
    fields = text.split()
    if not fields or not fields[0].isascii() or not fields[0].isdigit() or fields[1:] not in ([], ["kB"]):
        raise UnitError(f"{text!r} is not a size as /proc writes it (expected like '2048 kB')")
    return int(fields[0]) * (KIB if len(fields) == 2 else 1)


def parse_redis_memory(text: str) -> int:
    """Bytes of a redis.conf size: `100mb`, `1g`, `512`, any case, no fraction (redis src/util.c, memtoull)."""
    match = _REDIS.fullmatch(text.strip())
    factor = _REDIS_FACTORS.get(match[2].lower()) if match else None
    if match is None or factor is None or match[1].startswith("-"):
        raise UnitError(f"{text!r} is not a size that Redis accepts (a whole number with b, k, kb, m, mb, g or gb)")
    number = int(match[1]) * factor
    if number > UINT64_MAX:
        raise UnitError(f"{text!r} is larger than 2^64 bytes")
    return number


_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?", re.ASCII)
_BINARY = {"Ki": KIB, "Mi": MIB, "Gi": GIB, "Ti": 1024**4, "Pi": 1024**5, "Ei": 1024**6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def parse_quantity_exact(text: str) -> Decimal:
    """A Kubernetes quantity without rounding (`500m` is Decimal("0.5")).

    Source: k8s.io/apimachinery pkg/api/resource/quantity.go.
    """
    match = _QUANTITY.fullmatch(text.strip()) if len(text) <= 64 else None
    if match is None:
        raise UnitError(f"{text[:64]!r} is not a Kubernetes quantity (expected like 512Mi, 2G, 1.5Gi, 1e9, 500m)")
    number, binary, decimal, exponent = match.groups()
    try:
        value = Decimal(number)
        if binary:
            return value * _BINARY[binary]
        power = _DECIMAL[decimal] if decimal else int(exponent or 0)
        return value.scaleb(power)
    except (InvalidOperation, OverflowError) as error:
        raise UnitError(f"{text[:64]!r} is out of range for a Kubernetes quantity") from error


def parse_quantity(text: str) -> int:
    """Bytes of a Kubernetes quantity, rounded up to a whole number as `Quantity.Value()` does."""
    value = parse_quantity_exact(text)
    if abs(value) >= 2**63:
        raise UnitError(f"{text!r} is out of range for a Kubernetes quantity")
    return ceil(value)


def parse_size(text: str) -> int:
    """Bytes of a size typed by a person (flags, policy, annotations): redis.conf's units or Kubernetes' Ki, Mi, Gi.

    The two dialects agree wherever both have a meaning, but for `m`, which nobody means as thousandths of a byte.
    """
    stripped = text.strip()
    try:
        return parse_redis_memory(stripped)
    except UnitError:
        pass
    try:
        value = parse_quantity(stripped)
    except UnitError:
        value = -1
    if value < 0:
        raise UnitError(f"{text!r} is not a size (expected like 512mb, 4gb, 4Gi, 1.5Gi or plain bytes)")
    return value


def parse_rate(text: str) -> int:
    """Bytes per second: a size, with or without `/s`."""
    return parse_size(text.strip().removesuffix("/s"))


def format_bytes(count: float) -> str:
    """Three significant digits with a binary unit (`419 MiB`, `5.60 GiB`), for people."""
    sign, value = ("-" if count < 0 else ""), abs(float(count))
    units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    for unit in units:
        # 999.5 would print as "1000": pass to the next unit a little early, so that three digits always suffice.
        if value < 999.5 or unit == units[-1]:
            break
        value /= KIB
    digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{sign}{value:.{digits}f} {unit}"


def format_count(count: float) -> str:
    """A count or rate with thousands separators (`8,138`)."""
    return f"{count:,.0f}"


MOST_WRITES_PER_SECOND = 1_000_000
"""No server takes more on its one thread: above this the exact figure says nothing."""


def format_rate(per_second: float) -> str:
    """A write rate (`8,138`), rounded down; one that no server reaches is `over 1,000,000`."""
    if per_second > MOST_WRITES_PER_SECOND:
        return f"over {format_count(MOST_WRITES_PER_SECOND)}"
    return format_count(int(per_second))


def round_up_size(count: int) -> int:
    """Bytes rounded *up* to what people write: whole MiB, of two or three significant digits."""
    mib = max(1, -(-count // MIB))
    step = 1
    while mib // step >= 1024:
        step *= 4
    step = max(1, step // 4) * (1 if mib < 256 else 16) if mib >= 256 else 1
    return -(-mib // step) * step * MIB


def round_down_size(count: int) -> int:
    """Bytes rounded *down* to whole MiB; 0 where not even one fits."""
    return max(0, count // MIB) * MIB


def format_quantity(count: int) -> str:
    """A Kubernetes quantity for whole bytes (`4Gi`, `4352Mi`, `1000`)."""
    for suffix in ("Gi", "Mi", "Ki"):
        if count and count % _BINARY[suffix] == 0:
            return f"{count // _BINARY[suffix]}{suffix}"
    return str(count)


def format_redis_memory(count: int) -> str:
    """A redis.conf size for whole bytes (`2680mb`)."""
    for suffix, factor in (("gb", GIB), ("mb", MIB), ("kb", KIB)):
        if count and count % factor == 0:
            return f"{count // factor}{suffix}"
    return str(count)
