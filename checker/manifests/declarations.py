"""`bgsafe.io/` annotations → what the owner declares. A wrong value is reported, never passed over."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from checker.engines import DATA_SERVERS
from checker.facts import Declared, Unread
from checker.manifests.objects import at, mapping, text
from checker.units import UnitError, parse_rate, parse_size

PREFIX: Final = "bgsafe.io/"
_IGNORE: Final = "ignore."


def read(document: Any, template: Any) -> dict[str, str]:
    """Our annotations of an object and of its pod template, without the prefix; the template's go before."""
    found: dict[str, str] = {}
    for value in (document, template):
        for key, item in mapping(at(value, "metadata", "annotations")).items():
            if str(key).startswith(PREFIX):
                found[str(key).removeprefix(PREFIX)] = text(item) or ""
    return found


def concerns(annotations: Mapping[str, str], container: str) -> bool:
    """Do the annotations speak of this container? Without `bgsafe.io/container` they speak of all."""
    return annotations.get("container", container) == container


def declared(annotations: Mapping[str, str], where: str) -> Declared:
    """What the annotations declare; `where` names the object for what is wrong in them."""
    values: dict[str, Any] = {}
    ignores: dict[str, str] = {}
    wrong: list[Unread] = []
    for key, value in annotations.items():
        place = f"{where} annotation {PREFIX}{key}"
        if key.startswith(_IGNORE):
            if value.strip():
                ignores[key.removeprefix(_IGNORE)] = value.strip()
            else:
                wrong.append(Unread(place, "has no reason", "write why this rule may be ignored"))
        elif key in _VALUES:
            field, parse = _VALUES[key]
            try:
                values[field] = parse(value)
            except (UnitError, ValueError) as error:
                wrong.append(Unread(place, str(error), "correct the value"))
        elif key == "engine" and value not in DATA_SERVERS and value != "none":
            wrong.append(Unread(place, f"{value!r} is no engine", f"known are none, {', '.join(sorted(DATA_SERVERS))}"))
        elif key not in ("engine", "container"):
            known = ", ".join([*_VALUES, "engine", "container", "ignore.<rule>"])
            wrong.append(Unread(place, "is not known", f"known are {known}"))
    return Declared(**values, ignores=ignores, wrong=tuple(wrong))


def _writes(value: str) -> float:
    try:
        rate = float(value.strip().removesuffix("/s"))
    except ValueError:
        rate = math.nan
    if not math.isfinite(rate) or rate < 0:
        raise ValueError(f"{value!r} is not a number of writes per second")
    return rate


def _throughput(value: str) -> int:
    throughput = parse_rate(value)
    if throughput == 0:
        raise ValueError(f"{value!r}: a save that never ends cannot be judged")
    return throughput


_VALUES: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "write-rate": ("write_rate_per_second", _writes),
    "save-throughput": ("save_throughput_per_second", _throughput),
    "maxmemory": ("maxmemory", parse_size),
    "dataset": ("dataset", parse_size),
}
