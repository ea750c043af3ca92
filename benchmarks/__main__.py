"""Write docs/benchmarks.md."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import agent, extraction, fleet, lint, webhook_http
from benchmarks.speed import REPOSITORY, RUNS, figures
from checker.lab.accuracy import machine_line
from checker.probes import node

MANIFESTS = Path(os.environ.get("BGSAFE_MANIFESTS", REPOSITORY.parent / "shared" / "corpus"))
"""A folder of labelled manifests beside the repository; without it, that table is left out."""

PAGE = REPOSITORY / "docs/benchmarks.md"

INTRODUCTION = """\
# Benchmarks

Speeds, each the median of {runs} runs, beside something to compare it with in the same run: absolute times are one
machine's, ratios travel. Accuracy against real forks has [its own page](accuracy.md). `make bench` writes both.

Written on {today} on: {machine}.

| what | ms | beside | ms | ratio |
|---|---:|---|---:|---:|
"""


def main() -> None:
    """Measure and write."""
    facts, _ = node.read(Path("/"))
    text = INTRODUCTION.format(runs=RUNS, today=datetime.now(UTC).date().isoformat(), machine=machine_line(facts))
    text += "\n".join(figure.row() for figure in figures()) + "\n"
    text += lint.section()
    text += webhook_http.section()
    text += fleet.section()
    text += agent.section()
    if (MANIFESTS / "labels.json").exists():
        text += extraction.section(MANIFESTS)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
