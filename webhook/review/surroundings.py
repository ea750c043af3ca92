"""What a review may ask of the cluster that the object is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from checker.facts import Maybe, Unread
from checker.manifests import Document
from checker.manifests.placement import Fleet


class Surroundings(Protocol):
    """A cluster. Nothing raises, and nothing outlasts the deadline: what cannot be told is Unread."""

    def labels(self, namespace: str) -> Maybe[Mapping[str, str]]:
        """Of a namespace."""

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        """Unread also where there is none."""

    def limit_ranges(self, namespace: str) -> Maybe[Sequence[Document]]:
        """Of a namespace."""

    def workloads(self, namespace: str, mentioning: str) -> Maybe[Sequence[Mapping[str, Any]]]:
        """What starts containers there and has this word in it."""

    def fleet(self) -> Fleet:
        """Empty where nobody asks for nodes."""


NOT_READ: Final = ("was not read by the webhook", "`bgsafe lint` reads it, where it is given the file")
"""Why an object is unread that only the cluster has, and what whoever wrote the manifest can do about it."""


class Unasked:
    """No cluster is asked for anything."""

    def labels(self, namespace: str) -> Maybe[Mapping[str, str]]:
        """See `Surroundings`."""
        return _unasked(f"labels of namespace {namespace}")

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:  # noqa: ARG002
        """See `Surroundings`."""
        return Unread(f"ConfigMap {name}", *NOT_READ)

    def limit_ranges(self, namespace: str) -> Maybe[Sequence[Document]]:
        """See `Surroundings`."""
        return _unasked(f"LimitRanges of {namespace}")

    def workloads(self, namespace: str, mentioning: str) -> Maybe[Sequence[Mapping[str, Any]]]:
        """See `Surroundings`."""
        return _unasked(f"workloads of {namespace} that use {mentioning}")

    def fleet(self) -> Fleet:
        """See `Surroundings`."""
        return ()


def _unasked(where: str) -> Unread:
    return Unread(where, "the webhook does not ask the API server", "start it with --resolve")


MOST_ASKED: Final = 16
"""ConfigMaps that one review may ask for: a judgement; pods with a dozen are rare, and each may cost a call."""


Seen: TypeAlias = tuple[str, tuple[str, ...], object]
"""A method of `Surroundings`, its arguments, and what it answered."""


@dataclass(slots=True)
class Reading:
    """What one judgement asks of its surroundings, and what they answered. An `Elsewhere` of the extraction."""

    around: Surroundings
    instead: Document | None = None  # the ConfigMap under review, in place of the stored one
    limit_ranges_hold: bool = True  # False: their defaults are in the object already, as in every Pod
    asked: set[str] = field(default_factory=set)  # names of ConfigMaps
    seen: list[Seen] = field(default_factory=list)

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        """See `Elsewhere`."""
        self.asked.add(name)
        if self.instead is not None and self.instead.value["metadata"]["name"] == name:
            return self.instead
        if len(self.asked) > MOST_ASKED:
            return Unread(f"ConfigMap {name}", f"is the {MOST_ASKED + 1}th that it names", "`bgsafe lint` reads all")
        found = self.around.config_map(namespace, name)
        self.seen.append(("config_map", (namespace, name), found))
        return found

    def limit_ranges(self, namespace: str) -> Sequence[Document]:
        """See `Elsewhere`."""
        if not self.limit_ranges_hold:
            return ()
        found = self.around.limit_ranges(namespace)
        self.seen.append(("limit_ranges", (namespace,), found))
        return () if isinstance(found, Unread) else found

    def fleet(self) -> Fleet:
        """See `Surroundings`."""
        found = self.around.fleet()
        self.seen.append(("fleet", (), found))
        return found

    def unread(self) -> tuple[Unread, ...]:
        """What it did not get, and no verdict says: ConfigMaps are told of by the settings that were expected there."""
        missing = {
            str(found): found for what, _, found in self.seen if what != "config_map" and isinstance(found, Unread)
        }
        return tuple(missing.values())


def still(seen: Sequence[Seen], around: Surroundings) -> bool:
    """Would the same questions get the same answers now?"""
    return all(_same(getattr(around, what)(*arguments), found) for what, arguments, found in seen)


def _same(now: object, before: object) -> bool:
    if now is before:  # the fleet is another object whenever it is read anew
        return True
    if isinstance(now, Document) and isinstance(before, Document):
        return now.origin.text == before.origin.text
    if isinstance(now, list) and isinstance(before, list):
        return len(now) == len(before) and all(map(_same, now, before))
    return isinstance(now, Unread) and now == before
