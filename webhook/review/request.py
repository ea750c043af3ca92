"""AdmissionReview v1 → what is asked. A review that is not one is the sender's fault, and named as such.

Source: k8s.io/api admission/v1, types.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from checker.manifests import operators, pod_spec
from checker.manifests.objects import at, mapping, sequence, text

API_VERSION: Final = "admission.k8s.io/v1"

Operation: TypeAlias = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
OPERATIONS: Final = get_args(Operation)

KINDS: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("", "v1"): frozenset({"ConfigMap", "Pod", "PodTemplate", "ReplicationController"}),
    ("apps", "v1"): frozenset({"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"}),
    ("batch", "v1"): frozenset({"CronJob", "Job"}),
}
"""Kubernetes' own kinds that start containers, or configure them; of other groups, whatever has a pod template or an
operator serves."""

_OWN_GROUPS: Final = frozenset(group for group, _ in KINDS)
_OWN_KINDS: Final = frozenset().union(*KINDS.values())

REVIEWED_SUB_RESOURCES: Final = frozenset({"", "resize"})
"""Of the others, none changes what a container is started with: status, scale, binding, eviction, exec…"""


class MalformedReviewError(ValueError):
    """No AdmissionReview v1 that could be answered; the message names the field and what is expected there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the API server asks about one object."""

    uid: str
    operation: Operation
    group: str
    version: str
    kind: str
    sub_resource: str  # "" is the object itself
    namespace: str | None  # None: the object is in none
    name: str  # the prefix, where the API server will make the rest (generateName)
    dry_run: bool  # nothing will be stored; for the log alone, since reviewing has no side effect
    value: Mapping[str, Any]  # the object as it will be; {} for DELETE and CONNECT
    old: Mapping[str, Any]  # the object as it is; {} but for UPDATE

    @property
    def kind_label(self) -> str:
        """The kind, as metrics count it: anybody may make up kinds, and every one would stay in memory."""
        known = self.kind in _OWN_KINDS or operators.is_operated(self.value)
        return self.kind if known else "other"

    def understood(self) -> bool:
        """Is this a kind, in a version, that starts containers in a way that is known here?"""
        if self.group in _OWN_GROUPS:
            return self.kind in KINDS.get((self.group, self.version), ())
        return pod_spec(self.value) is not None or operators.is_operated(self.value)

    def is_config_map(self) -> bool:
        """Is it about a ConfigMap, and so about those that use it?"""
        return (self.group, self.kind) == ("", "ConfigMap")

    def being_deleted(self) -> bool:
        """Is the object on its way out, with only finalizers between?"""
        return at(self.value, "metadata", "deletionTimestamp") is not None

    def controller(self) -> str | None:
        """`StatefulSet cache`, of whose making this object is; None where its owner is not reviewed itself."""
        for owner in sequence(at(self.value, "metadata", "ownerReferences")):
            group, _, version = (text(at(owner, "apiVersion")) or "").rpartition("/")
            if at(owner, "controller") is True and at(owner, "kind") in KINDS.get((group, version), ()):
                return f"{text(at(owner, 'kind'))} {text(at(owner, 'name'))}"
        return None


def parse(body: object) -> Request:
    """Read a review, as JSON gives it. Raises MalformedReviewError."""
    review = _mapping(body, "the body")
    if review.get("apiVersion") != API_VERSION or review.get("kind") != "AdmissionReview":
        raise MalformedReviewError(f"the body is no AdmissionReview of {API_VERSION}")
    request = _mapping(review.get("request"), "request")
    uid = _text(request, "uid")
    if not uid:
        raise MalformedReviewError("request.uid is empty")
    operation = _text(request, "operation")
    if operation not in OPERATIONS:
        raise MalformedReviewError(f"request.operation is none of {', '.join(OPERATIONS)}")
    kind = _mapping(request.get("kind"), "request.kind")
    group, version, name = (_text(kind, key, "request.kind.") for key in ("group", "version", "kind"))
    namespace = _text(request, "namespace") or None
    judged, compared = operation in ("CREATE", "UPDATE"), operation == "UPDATE"
    value = _mapping(request.get("object"), "request.object") if judged else {}
    old = _mapping(request.get("oldObject"), "request.oldObject") if compared else {}
    api_version = f"{group}/{version}" if group else version
    known = {"apiVersion": api_version, "kind": name}
    generated = text(at(value, "metadata", "name")) or text(at(value, "metadata", "generateName"))
    called = _text(request, "name") or generated or ""
    return Request(
        uid=uid,
        operation=cast(Operation, operation),
        group=group,
        version=version,
        kind=name,
        sub_resource=_text(request, "subResource"),
        namespace=namespace,
        name=called,
        dry_run=request.get("dryRun") is True,
        value=_named(value, known, called, namespace) if judged else {},
        old=_named(old, known, called, namespace) if compared else {},
    )


def _named(value: Mapping[str, Any], known: Mapping[str, str], name: str, namespace: str | None) -> dict[str, Any]:
    """The object with what only the request may say, its kind, name and namespace, and without its status and history,
    which are often the larger half."""
    metadata = {**mapping(value.get("metadata")), "name": name, "namespace": namespace}
    metadata.pop("managedFields", None)
    return {**value, **known, "metadata": metadata, "status": None}


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedReviewError(f"{where} is not a JSON object")
    return value


def _text(value: Mapping[str, Any], key: str, where: str = "request.") -> str:
    """Text, "" where it is missing or null."""
    found = value.get(key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise MalformedReviewError(f"{where}{key} is not text")
    return found
