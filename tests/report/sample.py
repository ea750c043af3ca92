"""A report that has one of everything, and random ones."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from checker.facts import UNLIMITED, Server, Subject, Unread
from checker.report import Report
from checker.rules import RULES, judge, judge_all
from checker.units import GIB, MIB
from checker.verdict import Finding, Verdict
from tests.build import a_config, a_manifest, a_node, a_server, an_engine, declares

LINES = {
    "container": 12,
    "image": 13,
    "args": 14,
    "resources": 20,
    "resources.limits.memory": 22,
    "resources.limits.cpu": 23,
}


def written(name: str, file: str, line: int, *, limit: object = 2 * GIB, **changed: object) -> Server:
    """A container of a StatefulSet in a file, with the lines of its fields."""
    server = a_manifest(limit=limit, **changed)  # type: ignore[arg-type]
    lines = {field: number - 12 + line for field, number in LINES.items()}
    return replace(server, subject=replace(server.subject, name=name, file=file, line=line), lines=lines)


def servers() -> tuple[Server, ...]:
    """In two files: unsafe, risky, safe, unknown, and unsafe but ignored."""
    config = a_config(sources={"maxmemory": "args --maxmemory"})
    return (
        written("cache", "deploy/cache.yaml", 12, limit=500 * MIB, config=config, cpu_limit_cores=0.5),
        written("sessions", "deploy/cache.yaml", 72, limit=900 * MIB, config=config),
        written("wide", "deploy/cache.yaml", 132, limit=4 * GIB, config=config),
        written("no-fork", "deploy/more, or less.yaml", 5, engine=an_engine(name="dragonfly", forks=False)),
        written(
            "far",
            "deploy/more, or less.yaml",
            65,
            limit=Unread("resources.limits.memory", "not a quantity: {lots}", "write it like 4Gi"),
        ),
        written(
            "known",
            "deploy/more, or less.yaml",
            125,
            limit=UNLIMITED,
            config=config,
            declared=declares(ignores={"limit-unset": "the namespace's LimitRange sets it"}),
        ),
    )


def lint_report() -> Report:
    """What `bgsafe lint` makes of them, with two inputs that could not be read."""
    problems = (
        Unread("deploy/broken.yaml line 7 column 3", "broken YAML: mapping values are not allowed here", "indent it"),
        Unread("deploy/secret.yaml", "Permission denied", "make it readable, or leave it out"),
    )
    verdicts = tuple(judge(server, None) for server in servers())
    return Report(None, verdicts, 2, problems, exempt=1, skipped={"Service": 2, "Ingress": 1})


def node_report() -> Report:
    """What `bgsafe node` makes of a machine with two servers, one of them without a limit."""
    node = a_node()
    other = replace(a_server().subject, pid=4712, name="redis-server :6380")
    return Report(node, judge_all((a_server(), replace(a_server(), subject=other)), node))


# --- random ones -----------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec=None), max_size=30)
"""Any text, with control characters and surrogates: names come from files that others wrote."""

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
        file=draw(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=20)),
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
    verdict = judge(a_manifest(), None)
    grade = draw(st.sampled_from(["safe", "risky", "unsafe", "unknown"]))
    server = replace(verdict.server, subject=draw(subjects()), lines=draw(st.sampled_from([{}, LINES])))
    return replace(verdict, server=server, grade=grade, findings=tuple(findings))


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """A report with up to four servers and two problems."""
    found = tuple(draw(verdicts(number)) for number in range(draw(st.integers(0, 4))))
    unread = st.builds(Unread, TEXT | st.just("x.yaml line 3 column 9"), TEXT, TEXT)
    return Report(None, found, problems=tuple(draw(st.lists(unread, max_size=2))))


def tokens(report: Report) -> list[str]:
    """The tokens of all findings that are not a pass, in order."""
    return [finding.message[finding.message.rindex("<") :] for _, finding in report.notable()]
