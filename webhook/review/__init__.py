"""AdmissionReview in, AdmissionReview out: the webhook's decisions, and no rule of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from checker.deadline import DeadlineError, check_deadline
from checker.facts import Maybe, Unread
from checker.manifests import Index, extract, parsed
from checker.policy import Policy
from checker.rules import judge
from checker.verdict import Grade, Verdict
from webhook.review.ratchet import comparison, grade_of, is_worse
from webhook.review.request import REVIEWED_SUB_RESOURCES, MalformedReviewError, Request, parse
from webhook.review.response import answer, audit_annotations, message, sentences, warning_lines

__all__ = ["MODE_LABEL", "MalformedReviewError", "Request", "Reviewed", "parse", "review"]

MODE_LABEL: Final = "bgsafe.io/mode"

Mode: TypeAlias = Literal["enforce", "warn", "audit", "off"]
Conclusion: TypeAlias = Grade | Literal["none", "exempt", "passed", "failed"]
"""A grade; no server in it; exempted; of no concern to this webhook; or not judged, because that failed."""

_NOT_READ: Final = ("was not read by the webhook", "`bgsafe lint` reads it, where it is given the file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """The answer, and what is counted of it."""

    answer: dict[str, Any]
    kind: str
    operation: str
    conclusion: Conclusion
    mode: Mode
    error: str = ""  # what was not as it should be, in a word for the metrics; "" is nothing
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
    verdicts = _verdicts(request.value, policy)
    said = audit_annotations(verdicts)
    grade = grade_of(verdicts)
    admitted = ""  # why, though it would be denied
    denied = mode == "enforce" and _forbidden(grade, policy)
    if denied and request.operation == "CREATE" and (owner := request.controller()) is not None:
        # Its owner was reviewed. To refuse what a controller makes for it is to turn a restart into an outage.
        denied, admitted = False, f"admitted, since {owner} made it: change that"
    if denied and request.operation == "UPDATE":
        before = _verdicts(request.old, policy)
        if not is_worse(verdicts, before):
            denied, admitted = False, comparison(verdicts, before)
    denial, warnings = None, []
    if denied:
        who = f"bgsafe: {request.kind} {request.name or '(no name yet)'} in {request.namespace or 'no namespace'}"
        rest = [doubt] if doubt else []
        denial = message([f"{who} is {grade}", *sentences(verdicts, urls=True), *rest])
    elif mode in ("warn", "enforce") and grade != "safe":
        unsure = doubt if mode == "enforce" else ""
        said_of_it = [admitted, *sentences(verdicts, urls=False), unsure]
        warnings = warning_lines(sentence for sentence in said_of_it if sentence)
    return Reviewed(
        answer=answer(request, denial=denial, warnings=warnings, annotations={**said, "mode": mode} if said else {}),
        kind=request.kind_label,
        operation=request.operation,
        conclusion=grade if verdicts else "none",
        mode=mode,
    )


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
    request: Request, mode: Mode, conclusion: Conclusion, *, error: str = "", said: Mapping[str, str] | None = None
) -> Reviewed:
    return Reviewed(
        answer=answer(request, annotations=said),
        kind=request.kind_label,
        operation=request.operation,
        conclusion=conclusion,
        mode=mode,
        error=error,
    )


def _failed(request: Request, mode: Mode, error: str, why: str, fault: Exception | None = None) -> Reviewed:
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
