"""Small YAML files that people write for bgsafe: read whole, bounded, every mistake an error with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

API_VERSION: Final = "bgsafe.io/v1"

MAX_BYTES: Final = 1024**2
"""A judgement: nobody writes a file as long as this."""


class SettingsError(ValueError):
    """A file that cannot be used; the message names the file, the key, what is wrong and what is accepted."""


def load(path: Path, what: str) -> object:
    """Read a file; an empty one is an empty mapping. `what` names its kind in errors. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        raise SettingsError(f"{what} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{what} {path}: not UTF-8 text") from error
    if len(raw) > MAX_BYTES:
        raise SettingsError(f"{what} {path}: larger than 1 MiB")
    return parse(text, f"{what} {path}")


def parse(text: str, where: str) -> object:
    """Read YAML; nothing is an empty mapping. Raises SettingsError."""
    import yaml

    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{where}: not YAML: {' '.join(str(error).split())}") from error


def check_kind(fields: Mapping[str, Any], where: str, kind: str) -> None:
    """Where apiVersion and kind are given, they must be ours."""
    for key, expected in (("apiVersion", API_VERSION), ("kind", kind)):
        if key in fields and fields[key] != expected:
            raise SettingsError(f"{where}: {key} is {fields[key]!r} (expected {expected})")


def mapping(value: object, where: str, known: set[str]) -> Mapping[str, Any]:
    """A mapping with no other keys than these."""
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: expected a mapping with keys among {', '.join(sorted(known))}")
    for key in value:
        if key not in known:
            raise SettingsError(f"{where}: unknown key {key!r} (known: {', '.join(sorted(known))})")
    return value


def listed(value: object, where: str) -> Sequence[Any]:
    """A list; nothing is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise SettingsError(f"{where}: expected a list")
    return value
