"""A report that has one of everything, and random ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from checker.facts import Server, Subject, Unread
from checker.model.overcommit import Fork
from checker.report import Report
from checker.rules import RULES, judge_all
from checker.units import GIB, MIB
from checker.verdict import Estimate, Finding, Grade, Recommendation, Verdict
from tests.build import a_config, a_manifest, a_node, a_server

LINES = {
    "container": 12,
    "image": 13,
    "args": 14,
    "resources": 20,
    "resources.limits.memory": 22,
    "resources.limits.cpu": 23,
}


def written(name: str, file: str, line: int, **changed: Any) -> Server:
    """A container of a StatefulSet in a file, with the lines of its fields."""
    server = a_manifest(config=a_config(sources={"maxmemory": "args --maxmemory"}), **changed)
    lines = {field: number - 12 + line for field, number in LINES.items()}
    return replace(server, subject=replace(server.subject, name=name, file=file, line=line), lines=lines)


def an_estimate(limit: int | None, budget: float | None, source: str = "resources.limits.memory") -> Estimate:
    """660 MiB resident, 754 MiB at the expected peak and 1,324 MiB at the worst."""
    resident, expected, worst = 660 * MIB, 754 * MIB, 1324 * MIB
    return Estimate(
        resident_bytes=resident,
        maxmemory_bytes=600 * MIB,
        limit_bytes=limit,
        page_size_bytes=4096,
        write_rate_per_second=1000.0,
        save_seconds=8.25,
        pages_per_write=3.0,
        cow_worst_bytes=resident,
        cow_expected_bytes=90 * MIB,
        peak_worst_bytes=worst,
        peak_expected_bytes=expected,
        headroom_worst_bytes=None if limit is None else limit - worst,
        headroom_expected_bytes=None if limit is None else limit - expected,
        write_budget_per_second=budget,
        sources={
            "resident_bytes": "maxmemory (args --maxmemory) × fragmentation 1.1",
            "limit_bytes": source,
            "write_rate_per_second": "policy (built-in defaults): nothing was measured",
            "save_seconds": "660 MiB at 80.0 MiB/s, policy (built-in defaults)",
        },
    )


def a_verdict(server: Server, grade: Grade, estimate: Estimate | None, *findings: Finding) -> Verdict:
    """What a judge could have said, in words of its own: these tests are of the reports, not of the rules."""
    return Verdict(
        server=server,
        grade=grade,
        fork_causes=("rdb",),
        estimate=estimate,
        fork=Fork(
            outcome="granted", overcommit_memory=1, charge_bytes=None, allowed_bytes=None, reason="mode 1: always"
        ),
        findings=findings,
        recommendation=Recommendation(),
    )


UNSAFE = a_verdict(
    written("cache", "deploy/cache.yaml", 12),
    "unsafe",
    an_estimate(500 * MIB, 0.0),
    Finding("maxmemory-unset", "pass", "maxmemory 600 MiB bounds the dataset (args --maxmemory)"),
    Finding(
        "maxmemory-over-limit",
        "fail",
        "maxmemory 600 MiB × fragmentation 1.1 = 660 MiB reaches the limit of 500 MiB",
        "lower maxmemory to 358mb, or raise resources.limits.memory to 848Mi",
    ),
    Finding(
        "expected-peak-over-limit",
        "fail",
        "at 1,000 writes/s a save of 8.3 s peaks at 754 MiB, 254 MiB over the limit of 500 MiB",
        "raise resources.limits.memory to 848Mi, or lower maxmemory to 358mb",
    ),
    Finding("worst-peak-over-limit", "warn", "at no write rate does a save fit", "raise resources.limits.memory"),
    Finding("cpu-limit-stretches-save", "warn", "a CPU limit of 0.5 cores", "raise resources.limits.cpu to 2"),
)

RISKY = a_verdict(
    written("sessions", "deploy/cache.yaml", 72),
    "risky",
    an_estimate(900 * MIB, 3023.4),
    Finding("worst-peak-over-limit", "warn", "it holds up to 3,023 writes/s", "raise resources.limits.memory"),
    Finding("group-oom-kill", "unknown", "who would be killed is not known", "run `bgsafe node` there"),
)

SAFE = a_verdict(
    written("wide", "deploy/cache.yaml", 132),
    "safe",
    an_estimate(4 * GIB, None),
    Finding("worst-peak-over-limit", "pass", "even if every page is written, it peaks at 1.29 GiB"),
)

NO_FORK = a_verdict(written("no-fork", "deploy/more, or less.yaml", 5), "safe", None)

_QUANTITY = "resources.limits.memory: not a quantity: {lots}"
UNKNOWN = a_verdict(
    written("far", "deploy/more, or less.yaml", 65),
    "unknown",
    an_estimate(None, None, f"unread: {_QUANTITY}"),
    Finding("expected-peak-over-limit", "unknown", f"the memory limit is not known: {_QUANTITY}", "write it like 4Gi"),
)

REASON = "the namespace's LimitRange sets it"
IGNORED = a_verdict(
    written("known", "deploy/more, or less.yaml", 125),
    "safe",
    an_estimate(None, None, "no limit (resources.limits.memory is not set)"),
    Finding("limit-unset", "ignored", "there is no memory limit", "set resources.limits.memory", REASON),
)

PROBLEMS = (
    Unread("deploy/broken.yaml line 7 column 3", "broken YAML: mapping values are not allowed here", "indent it"),
    Unread("deploy/secret.yaml", "Permission denied", "make it readable, or leave it out"),
)


def lint_report() -> Report:
    """Two files with one of everything, and two that could not be read."""
    verdicts = (UNSAFE, RISKY, SAFE, NO_FORK, UNKNOWN, IGNORED)
    return Report(None, verdicts, 2, PROBLEMS, exempt=1, skipped={"Service": 2, "Ingress": 1})


def node_report() -> Report:
    """What `bgsafe node` makes of a machine with two servers."""
    node = a_node()
    other = replace(a_server().subject, pid=4712, name="redis-server :6380")
    return Report(node, judge_all((a_server(), replace(a_server(), subject=other)), node))


# --- random ones -----------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec=None), max_size=30)
"""Any text, with control characters and surrogates: names come from files that others wrote."""

FILES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.just("\udcff"), min_size=1)
"""Any name that a file may have; a byte that is not UTF-8 is a surrogate of its own (PEP 383)."""

STATUSES = st.sampled_from(["pass", "warn", "fail", "unknown", "ignored"])


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    """A process, or a container in a file."""
    name = draw(TEXT)
    if draw(st.booleans()):
        return Subject(source="process", name=name, pid=draw(st.integers(1, 2**22)))
    return Subject(
        source="manifest",
        name=name,
        namespace=draw(st.none() | TEXT),
        kind=draw(st.none() | TEXT),
        container=draw(TEXT),
        file=draw(FILES),
        line=draw(st.integers(1, 10**6)),
    )


@st.composite
def verdicts(draw: st.DrawFn, number: int) -> Verdict:
    """A verdict with random findings; the messages hold a token each, `<number.position>`."""
    findings = []
    for position, rule in enumerate(draw(st.lists(st.sampled_from(RULES), unique=True, max_size=5))):
        status = draw(STATUSES)
        remedy, because = draw(st.none() | TEXT), draw(TEXT) if status == "ignored" else None
        findings.append(Finding(rule.id, status, f"{draw(TEXT)}<{number}.{position}>", remedy, because))
    server = replace(a_manifest(), subject=draw(subjects()), lines=draw(st.sampled_from([{}, LINES])))
    estimate = draw(st.sampled_from([None, an_estimate(GIB, 3023.4), an_estimate(None, None, "unread: x")]))
    return a_verdict(server, draw(st.sampled_from(["safe", "risky", "unsafe", "unknown"])), estimate, *findings)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """A report with up to four servers and two problems."""
    found = tuple(draw(verdicts(number)) for number in range(draw(st.integers(0, 4))))
    unread = st.builds(Unread, TEXT | st.just("x.yaml line 3 column 9"), TEXT, TEXT)
    return Report(None, found, problems=tuple(draw(st.lists(unread, max_size=2))))


def tokens(report: Report) -> list[str]:
    """The tokens of all findings that are not a pass, in order."""
    return [finding.message[finding.message.rindex("<") :] for _, finding in report.notable()]
