"""Kubernetes objects as they come from YAML: read without trusting a single type, and found again by name."""

from __future__ import annotations

import base64
import binascii
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from checker.facts import Maybe, Unread
from checker.manifests.documents import Document
from checker.probes.files import printable


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a mapping; an empty one otherwise (a wrong type says no more than a missing field)."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    """The value where it is a list; an empty one otherwise."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str | None:
    """The value as Kubernetes would read it into a string field; None where it is missing or no scalar."""
    if value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def at(value: Any, *path: str) -> Any:
    """What is at this path; None where it ends early."""
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def readable(value: Any) -> str | None:
    """A name for people to read: no control character of it may speak to their terminal or to their CI's log."""
    found = text(value)
    return None if found is None else printable(found)


def name_of(value: Any) -> str:
    return readable(at(value, "metadata", "name")) or "(no name)"


def namespace_of(value: Any) -> str | None:
    return readable(at(value, "metadata", "namespace"))


class Elsewhere(Protocol):
    """Where objects are that are not in the input: a cluster. Nothing raises."""

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        """The ConfigMap; Unread where there is none, or it cannot be told."""

    def limit_ranges(self, namespace: str) -> Sequence[Document]:
        """The LimitRanges that hold there, as far as they could be read."""


@dataclass(slots=True)
class Index:
    """ConfigMaps, Secrets and LimitRanges of the whole input, by kind and name; of a cluster, where it can be asked."""

    held: dict[tuple[str, str], list[Document]] = field(default_factory=dict)
    ranges: dict[str | None, list[Document]] = field(default_factory=dict)  # namespace → its LimitRanges
    absent: tuple[str, str] = ("is not in the input", "give its file too, or all that is rendered")  # why, remedy
    elsewhere: Elsewhere | None = None

    def add(self, document: Document) -> None:
        kind = str(document.value.get("kind"))
        self.held.setdefault((kind, name_of(document.value)), []).append(document)
        if kind == "LimitRange":
            self.ranges.setdefault(namespace_of(document.value), []).append(document)

    def find(self, kind: str, name: str, by: Document) -> Maybe[Document]:
        """The object that `by` means by this name: of its file first, then of its directory, then the only one."""
        namespace = namespace_of(by.value)
        candidates = [
            document
            for document in self.held.get((kind, name), ())
            if namespace is None or namespace_of(document.value) in (None, namespace)
        ]
        file = by.origin.file
        for near in (
            [document for document in candidates if document.origin.file == file],
            [document for document in candidates if posixpath.dirname(document.origin.file) == posixpath.dirname(file)],
            candidates,
        ):
            if len(near) == 1 or (near and near[0].origin.file == near[-1].origin.file):
                return near[-1]
            if near:
                return Unread(f"{kind} {name}", f"is there {len(near)} times", "check one overlay at a time")
        if kind == "ConfigMap" and self.elsewhere is not None and namespace is not None:
            return self.elsewhere.config_map(namespace, name)
        return Unread(f"{kind} {name}", *self.absent)

    def limit_ranges(self, by: Document) -> list[Document]:
        """LimitRanges that hold in the namespace of `by`."""
        namespace = namespace_of(by.value)
        if namespace not in self.ranges and self.elsewhere is not None and namespace is not None:
            return list(self.elsewhere.limit_ranges(namespace))
        return self.ranges.get(namespace, [])


def entries(document: Document) -> dict[str, str]:
    """Key → text of a ConfigMap or Secret. A key whose bytes are no text is left out."""
    found = {str(key): text(value) or "" for key, value in mapping(document.value.get("data")).items()}
    if document.value.get("kind") == "Secret":
        found = {key: plain for key, value in found.items() if (plain := _decoded(value)) is not None}
        found |= {str(key): text(value) or "" for key, value in mapping(document.value.get("stringData")).items()}
    for key, value in mapping(document.value.get("binaryData")).items():
        if (plain := _decoded(text(value) or "")) is not None:
            found[str(key)] = plain
    return found


def _decoded(value: str) -> str | None:
    try:
        return base64.b64decode(value, validate=False).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
