"""One name, four places: a rule has a module, a test, a section in docs/rules.md and an entry in RULES."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker import rules
from checker.cli import cli
from checker.explain import explanation, question, rule_list, sections
from checker.rules import RULES

ROOT = Path(__file__).parents[1]
IDS = [rule.id for rule in RULES]
PARAGRAPHS = ("Asks", "Why", "Evidence", "Remedy", "Source")


def file_name(rule: str) -> str:
    return rule.replace("-", "_")


def modules_with_a_rule() -> set[str]:
    texts = {path.stem: path.read_text() for path in Path(rules.__file__).parent.glob("*.py")}
    return {name for name, text in texts.items() if re.search(r"^RULE = ", text, re.MULTILINE)}


def test_every_module_with_a_rule_is_in_rules_and_named_by_its_id():
    assert modules_with_a_rule() == {file_name(rule) for rule in IDS}


@pytest.mark.parametrize("rule", IDS)
def test_every_rule_has_a_test_of_its_name(rule):
    text = (ROOT / "tests" / "rules" / f"test_{file_name(rule)}.py").read_text()
    assert f'RULE = "{rule}"' in text


def test_every_test_of_a_rule_has_a_rule():
    tested = [
        path.stem.removeprefix("test_")
        for path in (ROOT / "tests" / "rules").glob("test_*.py")
        if 'RULE = "' in path.read_text()
    ]
    assert set(tested) == {file_name(rule) for rule in IDS}


def test_the_sections_are_the_rules_in_their_order():
    assert list(sections()) == IDS


@pytest.mark.parametrize("rule", IDS)
def test_every_section_has_its_paragraphs_in_order(rule):
    found = re.findall(r"^\*\*(\w+)\*\* ", sections()[rule], flags=re.MULTILINE)
    assert tuple(found) == PARAGRAPHS
    assert question(sections()[rule]).endswith("?")


@pytest.mark.parametrize("rule", IDS)
def test_every_module_begins_with_its_question(rule):
    text = (Path(rules.__file__).parent / f"{file_name(rule)}.py").read_text()
    assert text.split("\n", 1)[0].endswith("?")


def test_the_page_names_only_files_that_are_in_the_repository():
    text = (ROOT / "docs" / "rules.md").read_text()
    for name in set(re.findall(r"\b(?:checker|docs)/[\w/]+\.(?:py|md)", text)):
        assert (ROOT / name).exists() or name in ("docs/model.md", "docs/accuracy.md"), name


@pytest.mark.parametrize("rule", IDS)
def test_explain_prints_the_section(rule):
    result = CliRunner().invoke(cli, ["explain", rule])
    assert result.exit_code == 0
    assert result.output.strip() == explanation(rule)
    assert result.output.startswith(rule)


def test_explain_list_has_a_line_for_each_rule():
    lines = CliRunner().invoke(cli, ["explain", "list"]).output.splitlines()
    assert lines == rule_list().splitlines()
    assert [line.split()[0] for line in lines] == IDS
    assert all(line.endswith("?") for line in lines)


def test_explain_of_no_rule_is_a_usage_error_that_says_where_the_names_are():
    result = CliRunner().invoke(cli, ["explain", "no-such-rule"])
    assert result.exit_code == 2
    assert "bgsafe explain list" in result.output
