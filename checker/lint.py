"""Manifests → a report: what `bgsafe lint` does with the texts that it is given. Pure; files and exits are cli's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from checker.facts import Maybe, Unread
from checker.manifests import Place, Text, extract
from checker.manifests.objects import Index
from checker.policy import Assumptions, Policy
from checker.report.results import Report
from checker.rules import judge
from checker.verdict import Verdict

if TYPE_CHECKING:
    from checker.fix import Answer, Fix
    from checker.manifests.edits import Edits


@dataclass(frozen=True, slots=True)
class Linted:
    """The report, and what it takes to change the manifests."""

    report: Report
    judged: tuple[tuple[Verdict, Place], ...]
    index: Index
    assumptions: Assumptions
    policy: Policy

    def answers(self) -> list[Answer]:
        """A fix for each unsafe server, or why there is none."""
        from checker.fix import fixes

        return list(fixes(self.judged, self.index, self.assumptions, self.policy))


def lint(
    texts: Iterable[Text | Unread], assumptions: Assumptions | None = None, policy: Policy | None = None
) -> Linted:
    """Judge every Redis-like server that the texts would start; exempted ones are counted, not judged.

    No machine is known: no two servers are neighbours.
    """
    assumptions, policy = assumptions or Assumptions(), policy or Policy()
    extraction = extract(texts, policy.engines)
    judged = tuple(
        (judge(server, None, assumptions, policy), place)
        for server, place in zip(extraction.servers, extraction.places, strict=True)
        if policy.exemption(server.subject.namespace, server.subject.name) is None
    )
    report = Report(
        node=None,
        verdicts=tuple(verdict for verdict, _ in judged),
        not_redis=extraction.not_servers,
        problems=extraction.problems,
        exempt=len(extraction.servers) - len(judged),
        skipped=extraction.skipped,
    )
    return Linted(report, judged, extraction.index, assumptions, policy)


@dataclass(frozen=True, slots=True)
class Change:
    """A file before and after."""

    file: str
    before: str
    after: str

    def difference(self) -> str:
        """As a unified diff."""
        from checker.fix import difference

        return difference(self.file, self.before, self.after)


def changes(answers: Sequence[Answer], read: Callable[[str], Maybe[str]]) -> list[Change | Unread]:
    """What all fixes together make of each file; `read` gives a file's text, to the byte."""
    from checker.fix import Fix

    edits: dict[str, Edits] = {}
    for answer in answers:
        for edit in answer.edits if isinstance(answer, Fix) else ():
            edits[edit.origin.file] = (*edits.get(edit.origin.file, ()), edit)
    return [_change(file, of_file, read(file)) for file, of_file in edits.items()]


def _change(file: str, edits: Edits, before: Maybe[str]) -> Change | Unread:
    if isinstance(before, Unread):
        return before
    from checker.fix import edited_file

    after = edited_file(before, edits)
    if after is None:
        return Unread(file, "has changed since it was read", "lint again")
    return Change(file, before, after)


def with_patches(report: Report, answers: Sequence[Answer], read: Callable[[str], Maybe[str]]) -> Report:
    """The report with a patch in the recommendation of every server that has a fix."""
    from checker.fix import Fix

    texts: dict[str, Maybe[str]] = {}

    def once(file: str) -> Maybe[str]:
        texts.setdefault(file, read(file))
        return texts[file]

    patches = {id(answer.verdict): _patch(answer, once) for answer in answers if isinstance(answer, Fix)}
    return replace(report, verdicts=tuple(_with_patch(verdict, patches) for verdict in report.verdicts))


def _patch(fix: Fix, read: Callable[[str], Maybe[str]]) -> str | None:
    parts = [change.difference() for change in changes([fix], read) if isinstance(change, Change)]
    return "".join(parts) or None


def _with_patch(verdict: Verdict, patches: Mapping[int, str | None]) -> Verdict:
    patch = patches.get(id(verdict))
    return verdict if patch is None else replace(verdict, recommendation=replace(verdict.recommendation, patch=patch))
