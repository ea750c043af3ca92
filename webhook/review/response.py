"""Verdicts → what the API server shows: warnings, a denial, audit annotations, each within Kubernetes' limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from checker.report.results import level
from checker.rules import assumed_inputs, rule_url
from checker.verdict import Finding, Verdict
from webhook.review.ratchet import worst_first
from webhook.review.request import API_VERSION, Request

MAX_WARNING_CHARACTERS: Final = 120
MAX_WARNINGS_CHARACTERS: Final = 4096
"""Of one, and of all together: the API server cuts what is longer.

Source: kubernetes.io, Dynamic Admission Control, "Response"; k8s.io/apiserver endpoints/filters/warning.go.
"""

MAX_MESSAGE_CHARACTERS: Final = 3000
"""A judgement: a terminal's page."""

MAX_ANNOTATION_CHARACTERS: Final = 1024
"""A judgement: audit logs keep every one."""

_CUT: Final = "bgsafe: and more; `bgsafe lint` tells all"

_INDENT: Final = "  "

_NUMBERS: Final = ("resident", "limit", "peak_expected", "peak_worst")


def answer(
    request: Request,
    *,
    denial: str | None = None,
    warnings: Sequence[str] = (),
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The AdmissionReview that is sent back; with a denial's message, it is denied."""
    response: dict[str, Any] = {"uid": request.uid, "allowed": denial is None}
    if denial is not None:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": denial}
    if warnings:
        response["warnings"] = list(warnings)
    if annotations:
        response["auditAnnotations"] = dict(annotations)
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}


# --- words -----------------------------------------------------------------------------------------------------------


def warning_lines(sentences: Iterable[str]) -> list[str]:
    """Sentences, the most important first, as warnings that nothing cuts; what does not fit is said to be there."""
    lines: list[str] = []
    room = MAX_WARNINGS_CHARACTERS - len(_CUT)
    for sentence in sentences:
        for line in _wrapped(printable(f"bgsafe: {' '.join(sentence.split())}")):
            room -= len(line)
            if room < 0:
                return [*lines, _CUT]
            lines.append(line)
    return lines


def _wrapped(text: str) -> Iterator[str]:
    """Lines cut at spaces, the later ones indented. (`textwrap` does the same in twenty times the time.)"""
    while len(text) > MAX_WARNING_CHARACTERS:
        end = text.rfind(" ", len(_INDENT), MAX_WARNING_CHARACTERS + 1)
        end = end if end > 0 else MAX_WARNING_CHARACTERS
        yield text[:end]
        text = _INDENT + text[end:].lstrip()
    yield text


def message(sentences: Iterable[str]) -> str:
    """Sentences as the message of a denial, one on a line; what does not fit is said to be there."""
    lines: list[str] = []
    room = MAX_MESSAGE_CHARACTERS - len(_CUT)
    for sentence in sentences:
        line = printable(sentence)
        if len(line) >= room:
            return "\n".join([*(lines or [f"{line[: room - 2]}…"]), _CUT])
        room -= len(line) + 1
        lines.append(line)
    return "\n".join(lines)


def sentences(verdicts: Sequence[Verdict], *, urls: bool, others: bool = False) -> Iterator[str]:
    """What is wrong and what to do, the worst server first; `urls`: with the address of each rule; `others`: of other
    objects than the one under review, which are named."""
    for verdict in worst_first(verdicts):
        if verdict.grade == "safe":
            continue
        subject = verdict.server.subject
        whole = f"{subject.kind} {subject.name}, " if others else ""
        container = f"{whole}container {subject.container}"
        for number, finding in enumerate([*deciding(verdict), *_assumptions(verdict)]):
            who = f"{container} is {verdict.grade}: " if number == 0 else f"{container}: "
            yield f"{who}{finding.message} ({finding.rule})"
            if finding.remedy:
                yield f"  to do: {finding.remedy}" if urls else f"to do: {finding.remedy}"
            if urls:
                yield f"  see {rule_url(finding.rule)}"


def deciding(verdict: Verdict) -> list[Finding]:
    """The findings that gave the verdict its grade."""
    wanted = {"unsafe": "fail", "unknown": "unknown", "risky": "warn"}.get(verdict.grade)
    return [finding for finding in verdict.findings if finding.status == wanted and level(finding) != "note"]


def _assumptions(verdict: Verdict) -> list[Finding]:
    """What the grade hangs on, where it would be another with other assumptions."""
    return [finding for finding in verdict.findings if finding.rule == assumed_inputs.ID and finding.status == "warn"]


def audit_annotations(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """The verdict and the numbers of the worst server. Keys are names without a prefix: the API server puts its own."""
    if not verdicts:
        return {}
    worst = worst_first(verdicts)[0]
    found = {
        "verdict": worst.grade,
        "servers": str(len(verdicts)),
        "container": worst.server.subject.container or "",
        "rules": ",".join(finding.rule for finding in deciding(worst)),
    }
    estimate = worst.estimate
    if estimate is not None:
        for name in _NUMBERS:
            value = getattr(estimate, f"{name}_bytes")
            found[f"{name.replace('_', '-')}-bytes"] = (
                str(value) if value is not None else estimate.sources[f"{name}_bytes"]
            )
        found["write-rate-per-second"] = f"{estimate.write_rate_per_second:g}"
        if estimate.write_budget_per_second is not None:
            found["write-budget-per-second"] = f"{estimate.write_budget_per_second:.0f}"
    return {key: printable(value)[:MAX_ANNOTATION_CHARACTERS] for key, value in found.items() if value}


def printable(text: str) -> str:
    """Text that a header may carry: without controls, and the halves of surrogate pairs that JSON may have."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
