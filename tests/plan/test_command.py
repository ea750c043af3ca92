"""`bgsafe plan` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from checker.cli import cli

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/v1.json").read_text(encoding="utf-8"))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["plan", *arguments], prog_name="bgsafe")
    return result.exit_code, result.output


def test_the_text_is_as_reviewed(golden):
    status, text = run("--limit", "4Gi", "--write-rate", "5000")
    assert status == 0
    golden("plan_limit.txt", text)
    status, text = run(
        *("--maxmemory", "2gb", "--write-rate", "5000", "--value-size", "100", "--engine", "valkey:8.1"),
        *("--replicas", "2", "--persistence", "aof", "--cpu-limit", "1"),
    )
    assert status == 0
    golden("plan_valkey.txt", text)


def test_the_json_is_valid_and_as_reviewed(golden):
    _, text = run("--limit", "4Gi", "--write-rate", "5000", "--format", "json")
    document = json.loads(text)
    Draft202012Validator(SCHEMA).validate(document)
    assert document["subjects"][0]["subject"]["source"] == "plan"
    document["tool"]["version"] = "x"
    estimate = document["subjects"][0]["estimate"]
    estimate["write_budget_per_second"] = round(estimate["write_budget_per_second"])
    golden("plan_limit.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github"])
def test_every_format_has_it(form, tmp_path):
    path = tmp_path / "out"
    status, _ = run("--limit", "4Gi", "--maxmemory", "3gb", "--format", form, "--output", str(path))
    assert status == 0
    assert path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(("--limit", "8Gi", "--maxmemory", "3gb"), 0, id="safe"),
        pytest.param(("--limit", "4Gi"), 0, id="risky"),
        pytest.param(("--limit", "4Gi", "--fail-on", "risky"), 1, id="risky, and that fails"),
        pytest.param(("--limit", "4Gi", "--maxmemory", "3gb", "--write-rate", "9000"), 1, id="unsafe"),
        pytest.param(("--limit", "4Gi", "--maxmemory", "5gb"), 2, id="impossible"),
        pytest.param((), 2, id="nothing said"),
        pytest.param(("--limit", "4Gi", "--engine", "memcached"), 2, id="no such engine"),
        pytest.param(("--limit", "4 potatoes"), 2, id="no size"),
    ],
)
def test_the_exit_code_says_what_happened(arguments, status):
    assert run(*arguments)[0] == status


def test_quiet_is_the_answer_alone():
    assert run("--limit", "4Gi", "--write-rate", "5000", "-q")[1] == (
        "RISKY  limit 4Gi holds maxmemory 2443mb at 5,000 writes/s; the worst case needs 5.26 GiB\n"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("x.gif", "the name ends in", id="another kind of picture"),
        pytest.param("nowhere/x.svg", "No such file or directory", id="no such folder"),
    ],
)
def test_a_picture_that_cannot_be_written_is_a_usage_error(name, message, tmp_path):
    status, text = run("--limit", "4Gi", "--plot", str(tmp_path / name))
    assert status == 2
    assert message in text


@pytest.mark.parametrize("name", ["x.svg", "x.png"])
def test_the_picture_comes_beside_the_report(name, tmp_path):
    status, text = run("--limit", "4Gi", "--plot", str(tmp_path / name))
    assert status == 0
    assert text.startswith("RISKY  limit 4Gi holds")
    assert (tmp_path / name).stat().st_size > 10_000


def test_a_plan_without_a_picture_loads_no_plotting_library():
    program = (
        "import sys\nfrom checker.cli import cli\n"
        "try: cli(['plan', '--limit', '4Gi', '-q'])\nexcept SystemExit: pass\n"
        "assert 'matplotlib' not in sys.modules and 'numpy' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
