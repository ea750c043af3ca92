"""A cluster behind HTTP, and `bgsafe cluster` run on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from checker.cli import cli
from tests.cluster.serving import Served, serving
from tests.webhook.clusters import kubeconfig


@dataclass(frozen=True)
class Said:
    """How the command ended, and what it printed."""

    code: int
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.output)
        return found

    @property
    def verdicts(self) -> dict[str, str]:
        """Kind/namespace/name/container → verdict."""
        return {
            "/".join(each["subject"][key] for key in ("kind", "namespace", "name", "container")): each["verdict"]
            for each in self.report["subjects"]
        }

    @property
    def problems(self) -> list[str]:
        return [f"{each['where']}: {each['why']}" for each in self.report["problems"]]


Scan = Callable[..., Said]


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """Run it on what is served; as JSON, unless options say otherwise."""

    def run(served: Served, *options: str) -> Said:
        with serving(served) as url:
            config = kubeconfig(tmp_path, url)
            how = options if any(option.startswith("--format") for option in options) else (*options, "--format=json")
            result = CliRunner().invoke(cli, ["cluster", f"--kubeconfig={config}", *how])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return run
