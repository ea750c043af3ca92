"""AdmissionReview in, AdmissionReview out: the webhook's decisions, and no rule of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

import orjson

from checker.deadline import DeadlineError, check_deadline
from checker.facts import Maybe, Unread
from checker.manifests import Document, Index, extract, parsed, pod_spec
from checker.manifests.objects import at
from checker.manifests.placement import landing
from checker.manifests.pods import ENGINE_NAMES, names_one_of
from checker.policy import Policy
from checker.rules import judge
from checker.verdict import Grade, Verdict
from webhook.review.memory import Memory, Said
from webhook.review.opinion import Opinion, opinion_of
from webhook.review.ratchet import comparison, is_worse
from webhook.review.request import REVIEWED_SUB_RESOURCES, MalformedReviewError, Request, parse
from webhook.review.response import answer, message, warning_lines
from webhook.review.surroundings import NOT_READ, Reading, Surroundings, Unasked

__all__ = [
    "MODE_LABEL",
    "MalformedReviewError",
    "Memory",
    "Request",
    "Reviewed",
    "Surroundings",
    "Unasked",
    "parse",
    "review",
]

MODE_LABEL: Final = "bgsafe.io/mode"

_ORIGIN: Final = "the admission review"
"""Where the objects are from, in place of a file."""

Mode: TypeAlias = Literal["enforce", "warn", "audit", "off"]
Conclusion: TypeAlias = Grade | Literal["none", "exempt", "passed", "failed"]
"""A grade; no server in it; exempted; of no concern to this webhook; or not judged, because that failed."""
Error: TypeAlias = Literal["", "fault", "deadline", "unknown_kind", "unread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """The answer, and what is counted of it."""

    answer: dict[str, Any]
    kind: str
    operation: str
    conclusion: Conclusion
    mode: Mode
    error: Error = ""  # what was not as it should be; "" is nothing
    fault: Exception | None = None  # a bug, which is ours

    @property
    def allowed(self) -> bool:
        """Was it admitted?"""
        return bool(self.answer["response"]["allowed"])


def review(request: Request, policy: Policy, around: Surroundings, memory: Memory) -> Reviewed:
    """Decide on one request.

    Whatever goes wrong here must not stop a cluster: what cannot be judged, or not before the deadline that the caller
    has set, is admitted with a warning.
    """
    mode, doubt = _mode(policy, around.labels(request.namespace) if request.namespace else {})
    if request.operation in ("DELETE", "CONNECT") or request.sub_resource not in REVIEWED_SUB_RESOURCES:
        return _passed(request, mode, "passed")
    if not request.understood():
        return _passed(request, mode, "passed", error="unknown_kind")
    if mode == "off" or request.being_deleted():
        return _passed(request, mode, "passed")
    exemption = policy.exemption(request.namespace, request.name)
    if exemption is not None:
        return _passed(request, mode, "exempt", said={"exempt": exemption.reason or "by the policy"})
    try:
        return _judged(request, policy, mode, doubt, _View(policy, around, memory))
    except DeadlineError:
        why = "it took too long to read: shorten its scripts, or `bgsafe lint` its file"
        return _failed(request, mode, "deadline", why)
    except Exception as fault:  # noqa: BLE001 (a bug of ours admits; the caller logs and counts it)
        why = f"a fault in bgsafe ({type(fault).__name__}), which is in the webhook's log"
        return _failed(request, mode, "fault", why, fault)


def _mode(policy: Policy, labels: Maybe[Mapping[str, str]]) -> tuple[Mode, str]:
    """The mode that holds in the namespace, and what is doubtful about it ("": nothing)."""
    if isinstance(labels, Unread):
        return policy.mode, f"the policy's mode {policy.mode} holds: {labels}"
    said = labels.get(MODE_LABEL)
    if said is None:
        return policy.mode, ""
    if said not in ("enforce", "warn", "audit", "off"):
        wrong = f"namespace label {MODE_LABEL} is {said!r} (expected enforce, warn, audit or off)"
        return policy.mode, f"the policy's mode {policy.mode} holds: {wrong}"
    return cast(Mode, said), ""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is said of the object as it will be, and as it was (asked for only where that matters)."""

    now: Said
    before: Callable[[], Opinion]


def _judged(request: Request, policy: Policy, mode: Mode, doubt: str, view: _View) -> Reviewed:
    check_deadline()
    case = _case_of_config_map(request, view) if request.is_config_map() else _case_of_object(request, view)
    opinion = case.now.opinion
    grade = opinion.grade or "safe"
    admitted = ""  # why, though it would be denied
    denied = mode == "enforce" and _forbidden(grade, policy)
    if denied and request.operation == "CREATE" and (owner := request.controller()) is not None:
        # Its owner was reviewed. To refuse what a controller makes for it is to turn a restart into an outage.
        denied, admitted = False, f"admitted, since {owner} made it: change that"
    if denied and request.operation == "UPDATE":
        before = case.before()
        if not is_worse(grade, before.grade or "safe"):
            denied = False
            admitted = comparison(before.grade or "safe", before.shortfall_bytes, opinion.shortfall_bytes)
    unread = [f"not read: {each}" for each in case.now.unread]
    denial: str | None = None
    warnings: Sequence[str] = ()
    if denied:
        who = f"bgsafe: {request.kind} {request.name or '(no name yet)'} in {request.namespace or 'no namespace'}"
        lead = f"{who} {'makes servers' if request.is_config_map() else 'is'} {grade}"
        denial = message([lead, *opinion.sentences_with_urls, *unread, *([doubt] if doubt else [])])
    elif mode in ("warn", "enforce") and (grade != "safe" or unread):
        unsure = doubt if mode == "enforce" else ""
        if admitted or unsure or unread:
            said_of_it = (admitted, *opinion.sentences, *unread, unsure)
            warnings = warning_lines(sentence for sentence in said_of_it if sentence)
        else:
            warnings = opinion.warnings
    annotations = {**opinion.annotations, "mode": mode} if opinion.annotations else {}
    return Reviewed(
        answer=answer(request, denial=denial, warnings=warnings, annotations=annotations),
        kind=request.kind_label,
        operation=request.operation,
        conclusion=opinion.grade or "none",
        mode=mode,
        error="unread" if unread else "",
    )


@dataclass(frozen=True, slots=True)
class _View:
    """By what, and in what surroundings, one review judges."""

    policy: Policy
    around: Surroundings
    memory: Memory


def _case_of_object(request: Request, view: _View) -> _Case:
    """An object that starts containers."""
    return _Case(_said(request.value, view), lambda: _said(request.old, view).opinion)


def _said(value: Mapping[str, Any], view: _View) -> Said:
    """What is to be said of an object, remembered where the same was asked before.

    Of its metadata it is judged without what changes at every write (labels, finalizers, resourceVersion …).
    """
    metadata = {key: at(value, "metadata", key) for key in ("name", "namespace", "annotations")}
    judged = {**value, "metadata": metadata}
    key = (_as_json(judged), view.policy)
    said = view.memory.recall(key, view.around)
    if said is None:
        reading = Reading(view.around, limit_ranges_hold=value.get("kind") != "Pod")
        opinion = opinion_of(_verdicts(parsed(judged, _ORIGIN, key[0]), view.policy, reading))
        said = Said(opinion, tuple(reading.seen), reading.unread() if opinion.grade else ())
        if opinion.grade:  # what has no server in it is read as fast as it is recalled
            view.memory.keep(key, said)
    return said


def _as_json(value: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested deeper than it writes, 254 levels
        return json.dumps(value)


def _case_of_config_map(request: Request, view: _View) -> _Case:
    """The servers that use a ConfigMap, with its new content and with the old.

    What does not exist yet is judged when it is created, so only an UPDATE matters.
    """
    contents = [(each.get("data"), each.get("binaryData")) for each in (request.value, request.old)]
    nothing = opinion_of(())
    if request.operation != "UPDATE" or contents[0] == contents[1] or request.namespace is None:
        return _Case(Said(nothing), lambda: nothing)
    found = view.around.workloads(request.namespace, request.name)
    if isinstance(found, Unread):
        return _Case(Said(nothing, unread=(found,)), lambda: nothing)
    users: list[Mapping[str, Any]] = []
    now: list[Verdict] = []
    reading = Reading(view.around, parsed(request.value, _ORIGIN))
    for workload in found:
        reading.asked.clear()
        verdicts = _verdicts(parsed(workload, _ORIGIN), view.policy, reading)
        if request.name in reading.asked:
            users.append(workload)
            now += verdicts

    def before() -> Opinion:
        stored = Reading(view.around, parsed(request.old, _ORIGIN))
        return opinion_of(
            [each for workload in users for each in _verdicts(parsed(workload, _ORIGIN), view.policy, stored)]
        )

    return _Case(Said(opinion_of(now, others=True), unread=reading.unread() if now else ()), before)


def _verdicts(document: Document, policy: Policy, reading: Reading) -> list[Verdict]:
    """The verdicts on an object's servers, judged as `bgsafe lint` does, for the nodes that they may be put on."""
    value = document.value
    # An object that names no engine asks nobody: a call for every ConfigMap of every pod is too much.
    elsewhere = reading if names_one_of((*ENGINE_NAMES, "bgsafe.io"), document.origin.text) else None
    extraction = extract([document], policy.engines, Index(absent=NOT_READ, elsewhere=elsewhere))
    found = pod_spec(value) if extraction.servers else None
    # An operator's resource says only to the operator where its pods may be put.
    where = landing(reading.fleet(), found[0], daemon=value.get("kind") == "DaemonSet") if found else ()
    verdicts = []
    for server in extraction.servers:
        check_deadline()
        verdicts.append(judge(server, None, None, policy, landing=where))
    return verdicts


def _forbidden(grade: Grade, policy: Policy) -> bool:
    """Does the policy deny this?"""
    if grade == "unknown":
        return policy.unknown == "deny"
    return grade == "unsafe" or (grade == "risky" and policy.deny_on == "risky")


def _passed(
    request: Request, mode: Mode, conclusion: Conclusion, *, error: Error = "", said: Mapping[str, str] | None = None
) -> Reviewed:
    return Reviewed(
        answer=answer(request, annotations=said),
        kind=request.kind_label,
        operation=request.operation,
        conclusion=conclusion,
        mode=mode,
        error=error,
    )


def _failed(request: Request, mode: Mode, error: Error, why: str, fault: Exception | None = None) -> Reviewed:
    warnings = warning_lines([f"not checked: {why}"]) if mode in ("warn", "enforce") else []
    return Reviewed(
        answer=answer(request, warnings=warnings, annotations={"verdict": "failed", "mode": mode, "failure": why}),
        kind=request.kind_label,
        operation=request.operation,
        conclusion="failed",
        mode=mode,
        error=error,
        fault=fault,
    )
