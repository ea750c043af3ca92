"""Who made a pod: six pods of a StatefulSet are one thing to judge, and one place to edit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from checker.manifests.objects import at, name_of, namespace_of, readable, sequence, text

HASH_LABEL: Final = "pod-template-hash"
"""A Deployment puts it on what it makes: its ReplicaSet is called after it and this hash."""


@dataclass(frozen=True, slots=True)
class Owner:
    """What is judged in place of what it makes."""

    namespace: str | None
    kind: str
    name: str


def controller_of(value: Mapping[str, Any]) -> Owner | None:
    """The owner that controls an object; a Deployment in place of its ReplicaSet; None where nobody does."""
    for owner in sequence(at(value, "metadata", "ownerReferences")):
        kind, name = readable(at(owner, "kind")), readable(at(owner, "name"))
        if at(owner, "controller") is not True or kind is None or name is None:
            continue
        digest = text(at(value, "metadata", "labels", HASH_LABEL))
        if kind == "ReplicaSet" and digest and name.endswith(f"-{digest}"):
            return Owner(namespace_of(value), "Deployment", name.removesuffix(f"-{digest}"))
        return Owner(namespace_of(value), kind, name)
    return None


def judged_as(value: Mapping[str, Any], listed: Collection[str]) -> Owner | None:
    """Whom to judge in place of this object: its owner, where that kind could be listed; None: itself.

    A Job of a CronJob is looked into at the CronJob, a StatefulSet that an operator made at the StatefulSet.
    """
    owner = controller_of(value)
    return owner if owner is not None and owner.kind in listed else None


def identity(value: Mapping[str, Any]) -> Owner:
    """Who an object is itself."""
    return Owner(namespace_of(value), readable(value.get("kind")) or "", name_of(value))


def instance_of(value: Mapping[str, Any]) -> str:
    """What belongs together: the release that an object is of, else the object alone.

    A server of the same release as a replica or a sentinel has replicas.
    """
    labels = at(value, "metadata", "labels")
    release = text(at(labels, "app.kubernetes.io/instance")) or text(
        at(value, "metadata", "annotations", "meta.helm.sh/release-name")
    )
    return release or text(at(labels, "app")) or name_of(value)
