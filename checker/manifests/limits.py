"""Memory limits, requests and CPU limits of a container, by its manifest and what else the input holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from checker.facts import UNLIMITED, Limit, Sourced, Unlimited, Unread
from checker.manifests.objects import at, name_of, sequence, text
from checker.manifests.pods import Container, Pod
from checker.units import UnitError, parse_quantity, parse_quantity_exact


def memory_limit(pod: Pod, container: Container) -> Sourced[Limit]:
    """The smallest memory limit that binds the container, by the manifest and what else the input holds."""
    for path in (("resources",), ("resources", "limits")):
        value = at(container.value, *path)
        if value is not None and not isinstance(value, Mapping):
            return Sourced(Unread(".".join(path), "is no mapping", "Kubernetes refuses it: correct it"), ".".join(path))
    found: list[Sourced[Limit]] = []
    own = quantity(at(container.value, "resources", "limits", "memory"), f"resources.limits.memory of {container.name}")
    whole = quantity(at(pod.spec, "resources", "limits", "memory"), "spec.resources.limits.memory of the pod")
    if own is not None:
        found.append(Sourced(own, "resources.limits.memory"))
    if whole is not None:
        found.append(Sourced(whole, "spec.resources.limits.memory of the pod"))
    if own is None:
        for document in pod.index.limit_ranges(pod.document):
            for item in sequence(at(document.value, "spec", "limits")):
                default = at(item, "default", "memory") or at(item, "max", "memory")
                if at(item, "type") == "Container" and (value := quantity(default, "LimitRange")) is not None:
                    found.append(Sourced(value, f"LimitRange {name_of(document.value)}"))
    for limit in found:
        if isinstance(limit.value, Unread):
            return limit
    if found:
        return min(found, key=lambda limit: limit.value if isinstance(limit.value, int) else 0)
    if container.image is None:
        return Sourced(
            Unread("resources.limits.memory", "this is a patch: the rest is in its base", "render it first"), ""
        )
    return Sourced(UNLIMITED, "no resources.limits.memory")


def quantity(value: Any, where: str) -> int | Unread | None:
    """Bytes; None where nothing is written. Zero is no limit, as the kubelet takes it."""
    if value is None or value == "":
        return None
    try:
        size = parse_quantity(text(value) or str(value))
    except UnitError as error:
        return Unread(where, str(error), "write a quantity such as 512Mi")
    if size < 0:
        return Unread(where, f"{value} is below zero", "Kubernetes refuses it: write a quantity such as 512Mi")
    return size or None


def cpu_limit(container: Container) -> float | Unlimited | Unread:
    """Cores; 0.5 is half a core."""
    value = at(container.value, "resources", "limits", "cpu")
    if value is None:
        return UNLIMITED
    try:
        return float(parse_quantity_exact(text(value) or str(value)))
    except UnitError as error:
        return Unread("resources.limits.cpu", str(error), "write it like 500m or 2")


_DEEPEST_LIMIT: Final = 20
"""Levels of an object below which no container is; a CronJob's are at the eighth."""


def with_doubled_limits(value: Any, made: dict[int, Any] | None = None, depth: int = 0) -> Any:
    """The same object, with twice as much in every `limits.memory`; what aliases share stays shared (`made`)."""
    made = {} if made is None else made
    if depth > _DEEPEST_LIMIT or id(value) in made or not isinstance(value, dict | list):
        return made.get(id(value), value)
    if isinstance(value, list):
        items: list[Any] = []
        made[id(value)] = items
        items += [with_doubled_limits(item, made, depth + 1) for item in value]
        return items
    copy: dict[Any, Any] = {}
    made[id(value)] = copy
    copy |= {key: with_doubled_limits(item, made, depth + 1) for key, item in value.items()}
    size = quantity(at(value, "limits", "memory"), "")
    if isinstance(size, int):
        copy["limits"] = {**copy["limits"], "memory": str(2 * size)}
    return copy
