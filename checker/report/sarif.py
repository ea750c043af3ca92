"""SARIF 2.1.0, for code scanning: one run, a result for every finding that is not a pass.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01"; section numbers (§)
are of that document.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from checker import __version__
from checker.explain import question, sections
from checker.facts import Unread
from checker.report.places import Place, finding_place, full_name, lasting_identity, problem_place
from checker.report.results import Report, advice, level
from checker.rules import RULES, Rule, rule_url
from checker.verdict import Finding, Verdict

SCHEMA_URL: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME_URL: Final = "https://bgsafe.io"

_INDEX: Final[Mapping[str, int]] = {rule.id: index for index, rule in enumerate(RULES)}


def render(report: Report) -> str:
    """The log file, indented, with a final newline."""
    return json.dumps(document(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The object that `render` writes."""
    pages = sections()
    driver = {
        "name": "bgsafe",
        "version": __version__,
        "informationUri": HOME_URL,
        "rules": [_rule(rule, pages[rule.id]) for rule in RULES],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": [_result(verdict, finding) for verdict, finding in report.notable()],
    }
    return {"$schema": SCHEMA_URL, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule, page: str) -> dict[str, Any]:
    """A reportingDescriptor (§3.49). The default level is that of a warning: each result states its own."""
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": question(page)},
        "help": {"text": page, "markdown": page},
        "helpUri": rule_url(rule.id),
        "defaultConfiguration": {"level": level(Finding(rule.id, "warn", ""))},
    }


def _invocation(report: Report) -> dict[str, Any]:
    """Input that could not be read leaves the results incomplete, which is what `error` says (§3.58.6)."""
    return {
        "executionSuccessful": not report.problems,
        "toolExecutionNotifications": [_notification(problem) for problem in report.problems],
    }


def _notification(problem: Unread) -> dict[str, Any]:
    place = problem_place(problem)
    locations = {} if place is None else {"locations": [{"physicalLocation": _physical(place)}]}
    return {"level": "error", "message": {"text": _literal(str(problem))}, **locations}


def _result(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    """A result (§3.27). No `suppressions` would say nothing, an empty array says "not suppressed" (§3.27.23)."""
    subject = verdict.server.subject
    name = full_name(subject)
    logical = {"name": subject.container or subject.name, "fullyQualifiedName": name, "kind": "resource"}
    location: dict[str, Any] = {"logicalLocations": [logical]}
    place = finding_place(verdict.server, finding)
    if place is not None:
        location["physicalLocation"] = _physical(place)
    suppressions = []
    if finding.status == "ignored":
        suppressions = [{"kind": "inSource", "justification": finding.ignored_because or ""}]
    identity = "\0".join((finding.rule, *lasting_identity(subject)))
    return {
        "ruleId": finding.rule,
        "ruleIndex": _INDEX[finding.rule],
        "level": level(finding),
        "message": {"text": _literal(f"{name} ({verdict.grade}): {advice(finding)}")},
        "locations": [location],
        "partialFingerprints": {"ruleAndServer/v1": sha256(identity.encode("utf-8", "replace")).hexdigest()},
        "suppressions": suppressions,
        "properties": {"status": finding.status, "verdict": verdict.grade},
    }


def _physical(place: Place) -> dict[str, Any]:
    region = {"startLine": place.line} | ({} if place.column is None else {"startColumn": place.column})
    return {"artifactLocation": artifact_location(place.file), "region": region}


def artifact_location(file: str) -> dict[str, str]:
    """A relative path is below the root of the sources, which the reader of the log knows (§3.4.4)."""
    path = quote(os.fsencode(os.path.normpath(file)))
    return {"uri": f"file://{path}"} if path.startswith("/") else {"uri": path, "uriBaseId": "%SRCROOT%"}


def _literal(text: str) -> str:
    """Braces would begin a placeholder (§3.11.5)."""
    return text.replace("{", "{{").replace("}", "}}")
