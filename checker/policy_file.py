"""Read a policy file. Every key is optional; an unknown key or a wrong value is an error with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

from checker import yaml_file
from checker.engines import DATA_SERVERS
from checker.policy import EngineImage, Exemption, Policy
from checker.units import UnitError, parse_rate
from checker.yaml_file import SettingsError, listed, mapping

PolicyError = SettingsError
"""What every function here raises."""


def load(path: Path) -> Policy:
    """Read a policy file. Raises PolicyError."""
    return _policy(yaml_file.load(path, "policy"), str(path))


def parse(text: str, source: str) -> Policy:
    """Read the text of a policy. Raises PolicyError."""
    return _policy(yaml_file.parse(text, f"policy {source}"), source)


def _policy(document: object, source: str) -> Policy:
    where = f"policy {source}"
    fields = mapping(document, where, {"apiVersion", "kind", *_READERS})
    yaml_file.check_kind(fields, where, "Policy")
    values: dict[str, Any] = {"source": source}
    for key, read in _READERS.items():
        if fields.get(key) is not None:
            values |= read(fields[key], f"{where}: {key}")
    return Policy(**values)


def _choice(field: str, *choices: str) -> Callable[[object, str], dict[str, Any]]:
    def read(value: object, where: str) -> dict[str, Any]:
        value = "off" if value is False else value  # YAML 1.1 reads a bare `off` as false
        if value not in choices:
            raise PolicyError(f"{where}: {value!r} is not one of {', '.join(choices)}")
        return {field: value}

    return read


def _defaults(value: object, where: str) -> dict[str, Any]:
    fields = mapping(value, where, {"writeRatePerSecond", "saveThroughput", "fragmentation"})
    values: dict[str, Any] = {}
    if "writeRatePerSecond" in fields:
        values["write_rate_per_second"] = _number(fields["writeRatePerSecond"], f"{where}.writeRatePerSecond", 0)
    if "fragmentation" in fields:
        values["fragmentation_ratio"] = _number(fields["fragmentation"], f"{where}.fragmentation", 1)
    if "saveThroughput" in fields:
        try:
            values["save_throughput_per_second"] = parse_rate(str(fields["saveThroughput"]))
        except UnitError as error:
            raise PolicyError(f"{where}.saveThroughput: {error}") from error
        if values["save_throughput_per_second"] == 0:
            raise PolicyError(f"{where}.saveThroughput: must be more than 0")
    return values


def _number(value: object, where: str, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < least:
        raise PolicyError(f"{where}: {value!r} is not a number of at least {least:g}")
    return float(value)


def _engines(value: object, where: str) -> dict[str, Any]:
    entries = [mapping(entry, f"{where}[{i}]", {"image", "engine"}) for i, entry in enumerate(listed(value, where))]
    for i, entry in enumerate(entries):
        if not isinstance(entry.get("image"), str) or entry.get("engine") not in {*DATA_SERVERS, "none"}:
            names = ", ".join(sorted(DATA_SERVERS))
            raise PolicyError(f"{where}[{i}]: expected image (a pattern) and engine (one of {names}, none)")
    return {"engines": tuple(EngineImage(entry["image"], entry["engine"]) for entry in entries)}


def _exempt(value: object, where: str) -> dict[str, Any]:
    exemptions = []
    for i, each in enumerate(listed(value, where)):
        entry = mapping(each, f"{where}[{i}]", {"namespace", "name", "reason"})
        if "namespace" not in entry or not all(isinstance(text, str) for text in entry.values()):
            raise PolicyError(f"{where}[{i}]: expected namespace, and optionally name and reason, as text")
        exemptions.append(Exemption(entry["namespace"], entry.get("name", "*"), entry.get("reason", "")))
    return {"exempt": tuple(exemptions)}


_READERS: Final[Mapping[str, Callable[[object, str], dict[str, Any]]]] = {
    "mode": _choice("mode", "enforce", "warn", "audit", "off"),
    "denyOn": _choice("deny_on", "unsafe", "risky"),
    "unknown": _choice("unknown", "warn", "deny"),
    "defaults": _defaults,
    "engines": _engines,
    "exempt": _exempt,
}
