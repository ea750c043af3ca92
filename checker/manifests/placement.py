"""Where may a pod be put? By its nodeName, nodeSelector, required node affinity and tolerations.

What the scheduler looks at besides (free resources, volumes, spreading) changes by the hour, and is left out: there may
be a node too many, never one too few. Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity,
k8s.io/api/core/v1/toleration.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from checker.facts import Candidate, Maybe, Node
from checker.manifests.objects import at, mapping, sequence, text

DAEMON_SET_TOLERATES: Final = frozenset(
    f"node.kubernetes.io/{condition}"
    for condition in (
        *("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure"),
        *("unschedulable", "network-unavailable"),
    )
)
"""Taints that the DaemonSet controller lets its pods tolerate (AddOrUpdateDaemonPodTolerations of the controller)."""

_REPELLING: Final = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What a Node object says to the scheduler."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()


Fleet: TypeAlias = Sequence[tuple[Machine, Maybe[Node]]]
"""The cluster's nodes, each with what its agent published; empty where nobody asks for nodes."""


def landing(fleet: Fleet, spec: Mapping[str, Any], *, daemon: bool) -> tuple[Candidate, ...]:
    """The nodes on which a pod of this spec may be put."""
    return tuple(Candidate(on.name, node) for on, node in fleet if may_land(spec, on, daemon=daemon))


def machine(node: Mapping[str, Any]) -> Machine:
    """Read a Node object."""
    labels = {str(key): text(value) or "" for key, value in mapping(at(node, "metadata", "labels")).items()}
    taints = tuple(
        Taint(text(at(taint, "key")) or "", text(at(taint, "value")) or "", text(at(taint, "effect")) or "")
        for taint in sequence(at(node, "spec", "taints"))
    )
    return Machine(text(at(node, "metadata", "name")) or "", labels, taints)


def may_land(spec: Mapping[str, Any], on: Machine, *, daemon: bool = False) -> bool:
    """May a pod of this spec be put there? `daemon`: a DaemonSet makes it."""
    named = text(spec.get("nodeName"))
    if named:
        return named == on.name
    selector = mapping(spec.get("nodeSelector"))
    if any(on.labels.get(str(key)) != (text(value) or "") for key, value in selector.items()):
        return False
    required = at(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    if required is not None and not any(_meets(term, on) for term in sequence(at(required, "nodeSelectorTerms"))):
        return False
    tolerations = sequence(spec.get("tolerations"))
    return all(
        (daemon and taint.key in DAEMON_SET_TOLERATES) or any(_tolerates(each, taint) for each in tolerations)
        for taint in on.taints
        if taint.effect in _REPELLING
    )


def _meets(term: Any, on: Machine) -> bool:
    """All expressions of a term; a term without any meets no node."""
    labels = [(each, on.labels) for each in sequence(at(term, "matchExpressions"))]
    fields = [(each, {"metadata.name": on.name}) for each in sequence(at(term, "matchFields"))]
    return bool(labels or fields) and all(_holds(expression, values) for expression, values in labels + fields)


def _holds(expression: Any, values: Mapping[str, str]) -> bool:
    key, operator = text(at(expression, "key")) or "", text(at(expression, "operator"))
    wanted = [text(value) or "" for value in sequence(at(expression, "values"))]
    value = values.get(key)
    match operator:
        case "In":
            return value is not None and value in wanted
        case "NotIn":
            return value is None or value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(operator, value, wanted)
    return True  # newer than this code: rather a node too many


def _compares(operator: str, value: str | None, wanted: list[str]) -> bool:
    try:
        have, bound = int(value or ""), int(wanted[0])
    except (ValueError, IndexError):
        return False
    return have > bound if operator == "Gt" else have < bound


def _tolerates(toleration: Any, taint: Taint) -> bool:
    effect, key = text(at(toleration, "effect")) or "", text(at(toleration, "key")) or ""
    if effect not in ("", taint.effect) or key not in ("", taint.key):
        return False
    match text(at(toleration, "operator")) or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(key) and (text(at(toleration, "value")) or "") == taint.value
    return True  # newer than this code: rather a node too many
