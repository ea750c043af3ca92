"""AdmissionReview in, AdmissionReview out: the webhook's decisions, and no rule of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, cast

from checker.deadline import DeadlineError, check_deadline
from checker.facts import Maybe, Unread
from checker.manifests import Index, extract, parsed
from checker.manifests.objects import at
from checker.policy import Policy
from checker.rules import judge
from checker.units import KIB
from checker.verdict import Grade, Verdict
from webhook.review.opinion import Opinion, opinion_of
from webhook.review.ratchet import comparison, is_worse
from webhook.review.request import REVIEWED_SUB_RESOURCES, MalformedReviewError, Request, parse
from webhook.review.response import answer, message, warning_lines

__all__ = ["MODE_LABEL", "MalformedReviewError", "Request", "Reviewed", "parse", "review"]

MODE_LABEL: Final = "bgsafe.io/mode"

Mode: TypeAlias = Literal["enforce", "warn", "audit", "off"]
Conclusion: TypeAlias = Grade | Literal["none", "exempt", "passed", "failed"]
"""A grade; no server in it; exempted; of no concern to this webhook; or not judged, because that failed."""
Error: TypeAlias = Literal["", "fault", "deadline", "unknown_kind"]

MOST_REMEMBERED: Final = 256
LONGEST_REMEMBERED: Final = 32 * KIB
"""Opinions, and characters of an object: together some 20 MB at most. Many reviews are of an object that was reviewed
before: a dry run and what follows it, a controller's next try, an update of labels or of a count, and the old half of
every update."""

_NOT_READ: Final = ("was not read by the webhook", "`bgsafe lint` reads it, where it is given the file")


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


def review(request: Request, policy: Policy, labels: Maybe[Mapping[str, str]]) -> Reviewed:
    """Decide on one request; `labels` are those of its namespace.

    Whatever goes wrong here must not stop a cluster: what cannot be judged, or not before the deadline that the caller
    has set, is admitted with a warning.
    """
    mode, doubt = _mode(policy, labels)
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
        return _judged(request, policy, mode, doubt)
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


def _judged(request: Request, policy: Policy, mode: Mode, doubt: str) -> Reviewed:
    check_deadline()
    opinion = _opinion(request.value, policy)
    grade = opinion.grade or "safe"
    admitted = ""  # why, though it would be denied
    denied = mode == "enforce" and _forbidden(grade, policy)
    if denied and request.operation == "CREATE" and (owner := request.controller()) is not None:
        # Its owner was reviewed. To refuse what a controller makes for it is to turn a restart into an outage.
        denied, admitted = False, f"admitted, since {owner} made it: change that"
    if denied and request.operation == "UPDATE":
        before = _opinion(request.old, policy)
        if not is_worse(grade, before.grade or "safe"):
            denied = False
            admitted = comparison(before.grade or "safe", before.shortfall_bytes, opinion.shortfall_bytes)
    denial: str | None = None
    warnings: Sequence[str] = ()
    if denied:
        who = f"bgsafe: {request.kind} {request.name or '(no name yet)'} in {request.namespace or 'no namespace'}"
        rest = [doubt] if doubt else []
        denial = message([f"{who} is {grade}", *opinion.sentences_with_urls, *rest])
    elif mode in ("warn", "enforce") and grade != "safe":
        unsure = doubt if mode == "enforce" else ""
        if admitted or unsure:
            said_of_it = (admitted, *opinion.sentences, unsure)
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
    )


def _opinion(value: Mapping[str, Any], policy: Policy) -> Opinion:
    """What is to be said of an object, remembered where the same was asked before.

    Of its metadata it is judged without what changes at every write (labels, finalizers, resourceVersion …).
    """
    metadata = {key: at(value, "metadata", key) for key in ("name", "namespace", "annotations")}
    text = json.dumps({**value, "metadata": metadata})
    return remembered(text, policy) if len(text) <= LONGEST_REMEMBERED else remembered.__wrapped__(text, policy)


@lru_cache(maxsize=MOST_REMEMBERED)
def remembered(text: str, policy: Policy) -> Opinion:
    """The opinion on an object, as JSON. Whatever else an opinion comes to depend on belongs into the arguments."""
    return opinion_of(_verdicts(json.loads(text), policy))


def _verdicts(value: Mapping[str, Any], policy: Policy) -> list[Verdict]:
    """The verdicts on an object's servers, judged as `bgsafe lint` does: on no machine."""
    extraction = extract([parsed(value, "the admission review")], policy.engines, Index(absent=_NOT_READ))
    verdicts = []
    for server in extraction.servers:
        check_deadline()
        verdicts.append(judge(server, None, None, policy))
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
