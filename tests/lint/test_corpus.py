"""On real manifests, where a folder of them lies beside the repository (or BGSAFE_MANIFESTS names one)."""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from checker.facts import Sourced
from checker.fix import Fix
from checker.lint import Change, changes, lint
from checker.manifests import split
from checker.manifests.files import Sources
from checker.rules import judge

FOLDER = Path(os.environ.get("BGSAFE_MANIFESTS", Path(__file__).parents[3] / "shared" / "corpus"))
FILES = sorted(FOLDER.rglob("*.yaml"))

pytestmark = pytest.mark.skipif(not FILES, reason="no folder of real manifests (set BGSAFE_MANIFESTS)")


def test_every_fix_holds_and_touches_only_its_own_lines() -> None:
    """What is fixed is no longer unsafe; lines are added, or replaced one for one."""
    fixed = 0
    for path in FILES:
        sources = Sources([str(path)], None)
        linted = lint(sources.documents())
        answers = linted.answers()
        for change in changes(answers, sources.text):
            assert isinstance(change, Change)
            again = lint(split(change.after.splitlines(keepends=True), change.file))
            before = [verdict.server.subject.container for verdict, _ in linted.judged]
            assert [verdict.server.subject.container for verdict, _ in again.judged] == before
            for answer in answers:
                if isinstance(answer, Fix) and answer.files == {change.file}:
                    number = [verdict for verdict, _ in linted.judged].index(answer.verdict)
                    assert again.report.verdicts[number].grade != "unsafe", f"{path.name}: {answer}"
                    fixed += 1
            lines = list(difflib.ndiff(change.before.splitlines(), change.after.splitlines()))
            gone, new = (sum(line[0] == sign for line in lines) for sign in "-+")
            assert gone <= 2 * len(answers)
            assert gone <= new <= gone + 12 * len(answers)
    assert fixed


def test_every_unsafe_server_is_fixed_or_says_why() -> None:
    linted = lint(Sources([str(path) for path in FILES], None).documents())
    answers = linted.answers()
    assert len(answers) == linted.report.counts()["unsafe"]
    assert sum(isinstance(answer, Fix) for answer in answers) >= len(answers) / 2


def test_every_recommended_number_alone_makes_the_verdict_better() -> None:
    better = {"unsafe": ("risky", "safe"), "risky": ("safe",), "unknown": ("unknown", "risky", "safe")}
    linted = lint(Sources([str(path) for path in FILES], None).documents())
    tried = 0
    for verdict in linted.report.verdicts:
        server, advice = verdict.server, verdict.recommendation
        changed = []
        if advice.limit_bytes is not None:
            changed.append(replace(server, limit=Sourced(advice.limit_bytes, "advice")))
        if advice.maxmemory_bytes is not None:
            changed.append(replace(server, config=replace(server.config, maxmemory=advice.maxmemory_bytes)))
        for each in changed:
            assert judge(each, None).grade in better[verdict.grade], f"{server.subject}: {advice}"
            tried += 1
    assert tried
