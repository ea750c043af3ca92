"""The documents say what is so: help texts are the command's own, links lead somewhere, paths exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.cli import cli

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def page_id(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def commands_with_help() -> list[str]:
    return re.findall(r"^    \$ bgsafe (\S+) --help$", README, re.MULTILINE)


@pytest.mark.parametrize("command", commands_with_help())
def test_the_readme_has_the_help_of_today(command: str) -> None:
    printed = CliRunner().invoke(cli, [command, "--help"], prog_name="bgsafe").output
    block = "\n".join(f"    {line}".rstrip() for line in printed.rstrip().splitlines())
    assert block in README, f"README.md: put the output of `bgsafe {command} --help` below its line"


def test_the_readme_shows_help_at_all() -> None:
    assert "node" in commands_with_help()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page_id(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_are_named_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(
        r"`((?:checker|tests|docs|benchmarks|deploy|webhook)/[\w./-]+\.(?:py|md|json|jsonl))`", text
    ):
        assert (REPOSITORY / name).exists(), f"{page_id(page)} names {name}"


def test_the_two_commands_come_first() -> None:
    assert README.index("make demo") < README.index("make test") < README.index("## ")
