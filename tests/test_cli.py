"""The command: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from checker import __version__
from checker.cli import cli
from checker.cli.ending import EXIT_BUG

REPOSITORY = Path(__file__).parents[1]
TREES = "tests/fixtures"
SAFE = f"{TREES}/proc_redis_7.0_v1_cgroup"
RISKY = f"{TREES}/proc_valkey_9.1_cluster"
UNSAFE = f"{TREES}/cgroup_v2_inside_container"
UNKNOWN = f"{TREES}/proc_redis_6.2_hidden_options"
NODE = f"{TREES}/cgroup_v2_kubernetes"


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("REDISCLI_AUTH", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="bgsafe")


def node(*arguments: str) -> Result:
    return run("node", *arguments)


# --- what it prints --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tree", [SAFE, RISKY, UNSAFE, UNKNOWN, NODE], ids=lambda tree: tree.rpartition("/")[2])
def test_text_and_json_of_a_captured_tree(tree: str, golden: Callable[[str, str], None]) -> None:
    name = tree.rpartition("/")[2]
    golden(f"{name}.txt", node("--root", tree).output)
    golden(f"{name}.json", node("--root", tree, "--format", "json").output.replace(f'"{__version__}"', '"VERSION"'))


@pytest.mark.parametrize("tree", [SAFE, RISKY, UNSAFE, UNKNOWN, NODE], ids=lambda tree: tree.rpartition("/")[2])
def test_json_is_valid_by_the_schema_and_agrees_with_itself(tree: str) -> None:
    schema = json.loads((REPOSITORY / "docs/schema/v1.json").read_text())
    Draft202012Validator.check_schema(schema)
    document = json.loads(node("--root", tree, "--format", "json").output)
    Draft202012Validator(schema).validate(document)
    for subject in document["subjects"]:
        estimate = subject["estimate"]
        if estimate is None or estimate["limit_bytes"] is None:
            continue
        assert estimate["headroom_worst_bytes"] == estimate["limit_bytes"] - estimate["peak_worst_bytes"]
        assert estimate["headroom_expected_bytes"] == estimate["limit_bytes"] - estimate["peak_expected_bytes"]
        assert estimate["cow_expected_bytes"] <= estimate["cow_worst_bytes"]
        assert estimate["peak_expected_bytes"] <= estimate["peak_worst_bytes"]
    counts = {grade: count for grade, count in document["summary"].items() if grade != "not_redis"}
    assert sum(counts.values()) == len(document["subjects"])


def test_the_first_line_answers() -> None:
    first = node("--root", UNSAFE).output.splitlines()[0]
    assert first.startswith("UNSAFE  redis")
    assert "over the limit of 512 MiB" in first


def test_quiet_is_one_line_a_server() -> None:
    assert len(node("--root", NODE, "-q").output.splitlines()) == 3


def test_quiet_still_says_why_nothing_was_checked() -> None:
    result = node("--root", SAFE, "--pid", "999999", "-q")
    assert (result.exit_code, len(result.output.splitlines())) == (3, 1)
    assert "999999" in result.output


def test_no_colour_where_it_is_not_a_terminal() -> None:
    assert "\x1b" not in node("--root", UNSAFE).output


def test_formats_are_paired_with_outputs(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    result = node("--root", SAFE, "--format", "json", "--output", str(file), "--format", "text")
    assert json.loads(file.read_text())["schema"] == "bgsafe.io/v1"
    assert result.output.startswith("SAFE")


# --- exit codes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "fail_on", "code"),
    [
        pytest.param(SAFE, "unknown", 0, id="safe never fails"),
        pytest.param(RISKY, "unsafe", 0, id="risky is below unsafe"),
        pytest.param(RISKY, "risky", 1, id="risky at risky"),
        pytest.param(UNSAFE, "unsafe", 1, id="unsafe"),
        pytest.param(UNSAFE, "risky", 1, id="unsafe is above risky"),
        pytest.param(UNSAFE, "never", 0, id="never"),
        pytest.param(UNKNOWN, "unsafe", 0, id="unknown is below unsafe"),
        pytest.param(UNKNOWN, "unknown", 1, id="unknown at unknown"),
    ],
)
def test_fail_on(tree: str, fail_on: str, code: int) -> None:
    assert node("--root", tree, "--fail-on", fail_on).exit_code == code


def test_unsafe_fails_by_default() -> None:
    assert node("--root", UNSAFE).exit_code == 1


def test_no_server_is_nothing_checked(tmp_path: Path) -> None:
    for directory in ("proc/sys/vm", "sys"):
        (tmp_path / directory).mkdir(parents=True)
    result = node("--root", str(tmp_path))
    assert result.exit_code == 3
    assert "no server" in result.output


def test_a_pid_that_is_not_there_is_nothing_checked() -> None:
    result = node("--root", SAFE, "--pid", "999999")
    assert result.exit_code == 3
    assert "999999" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--root", "/nonexistent"], "/nonexistent/proc is not a directory", id="a root that is none"),
        pytest.param(["--write-rate", "-1"], "--write-rate", id="a negative rate"),
        pytest.param(["--save-throughput", "80 gigs"], "is not a size", id="a size in unknown units"),
        pytest.param(["--save-seconds", "0"], "--save-seconds", id="no time at all"),
        pytest.param(["--save-seconds", "3", "--save-throughput", "80MB"], "give one of them", id="twice the same"),
        pytest.param(["--distribution", "zipf"], "is not a distribution", id="half a distribution"),
        pytest.param(["--keys", "1000"], "--keys needs --value-size", id="half a shape"),
        pytest.param(["--policy", "/nonexistent"], "No such file", id="a policy that is not there"),
        pytest.param(["--redis-password-file", "/nonexistent"], "No such file", id="a password that is not there"),
        pytest.param(["--output", "a", "--output", "b"], "each file needs its format", id="files without formats"),
        pytest.param(["--output", "/nonexistent/x"], "No such file", id="a file that cannot be written"),
        pytest.param(["--fail-on", "sometimes"], "sometimes", id="an unknown threshold"),
        pytest.param(["--sample", "0"], "--sample", id="a sample of nothing"),
    ],
)
def test_usage_errors_say_what_and_exit_2(arguments: list[str], message: str) -> None:
    root = [] if "--root" in arguments else ["--root", SAFE]
    result = node(*root, *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_crash_is_not_a_finding() -> None:
    """Python would exit with 1, which means "findings"."""
    code = "import sys, checker.cli as c; c.cli = None; sys.exit(c.main())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == EXIT_BUG
    assert "bug in bgsafe, not a verdict" in result.stderr


# --- assumptions -----------------------------------------------------------------------------------------------------


def estimate(*arguments: str) -> dict[str, object]:
    document = json.loads(node("--root", SAFE, "--format", "json", *arguments).output)
    found = document["subjects"][0]["estimate"]
    assert isinstance(found, dict)
    return found


def test_assumptions_arrive_with_their_sources() -> None:
    given = estimate("--write-rate", "123", "--save-seconds", "4.5")
    assert (given["write_rate_per_second"], given["save_seconds"]) == (123, 4.5)
    assert isinstance(given["sources"], dict)
    assert given["sources"]["write_rate_per_second"] == "--write-rate"
    assert given["sources"]["save_seconds"] == "--save-seconds"


def test_a_policy_changes_the_defaults(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("defaults: {writeRatePerSecond: 77}\n")
    given = estimate("--policy", str(policy))
    assert given["write_rate_per_second"] == 77
    assert isinstance(given["sources"], dict)
    assert str(policy) in given["sources"]["write_rate_per_second"]


def test_the_shape_of_the_data_may_be_stated() -> None:
    assert estimate("--keys", "10000", "--value-size", "100", "--distribution", "hot:10") != estimate()


# --- the rest --------------------------------------------------------------------------------------------------------


def test_version() -> None:
    assert run("--version").output == f"bgsafe, version {__version__}\n"


def test_explain_alone_tells_the_story_and_where_to_go_on() -> None:
    text = run("explain").output
    assert text.startswith("# Why a save can kill a server\n")
    assert "vm.overcommit_memory=1" in text
    assert text.endswith("bgsafe explain --try. What bgsafe asks: bgsafe explain list.\n")


def test_on_a_terminal_the_story_is_set_in_type() -> None:
    master, inside = pty.openpty()
    command = [sys.executable, "-m", "checker.cli", "explain"]
    with subprocess.Popen(command, stdout=inside, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}) as process:
        os.close(inside)
        text = b""
        with suppress(OSError):  # the other end is closed: Linux says EIO
            while part := os.read(master, 65536):
                text += part
        process.wait(timeout=60)
    os.close(master)
    assert b"Why a save can kill a server" in text
    assert b"\x1b[1m" in text
    assert b"**" not in text


def test_explain_tries_the_story_not_a_rule() -> None:
    assert run("explain", "fork-refused", "--try").exit_code == 2


def test_explain_prints_the_rules_page() -> None:
    assert run("explain", "fork-refused").output.startswith("fork-refused\n")
    assert "expected-peak-over-limit  " in run("explain", "list").output
    unknown = run("explain", "no-such-rule")
    assert unknown.exit_code == 2
    assert "bgsafe explain list" in unknown.output


def test_verify_judges_recorded_forks(tmp_path: Path) -> None:
    case = {
        "engine": "redis-7.0.15-jemalloc",
        "keys": 600_000,
        "key_bytes": 10,
        "value_bytes": 100,
        "distribution": "uniform",
        "write_rate_per_second": 10_000,
        "writes_during_save": 14_762,
        "rss_anon_bytes": 125_050_880,
        "last_cow_bytes": 77_893_632,
        "status": "ok",
    }
    file = tmp_path / "cases.jsonl"
    file.write_text(json.dumps(case) + "\n")
    document = json.loads(run("verify", "--recorded", str(file), "--format", "json").output)
    (judged,) = document["cases"]
    assert judged["measured_cow_bytes"] == 77_893_632
    assert judged["error_ratio"] == pytest.approx(judged["predicted_cow_bytes"] / 77_893_632 - 1)
    assert abs(judged["error_ratio"]) < 0.03
    assert document["summary"]["median_error_ratio"] == abs(judged["error_ratio"])


def test_verify_says_what_is_wrong_with_a_recorded_file(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text('{"engine": "redis-7.0.15-jemalloc"}\n')
    result = run("verify", "--recorded", str(file))
    assert result.exit_code == 2
    assert "cases.jsonl" in result.output
    assert run("verify", "--recorded", str(tmp_path / "none")).exit_code == 2


def test_a_server_binary_that_is_none() -> None:
    result = run("verify", "--server", "/bin/true")
    assert result.exit_code == 2
    assert "/bin/true" in result.output


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "command",
    [
        *(("lint", "-", option) for option in ("--write-rate", "--save-seconds", "--fragmentation")),
        ("agent", "--once", "--interval"),
        ("webhook", "--drain-seconds"),
    ],
    ids=" ".join,
)
def test_what_is_no_finite_number_is_a_usage_error(command: tuple[str, ...], value: str) -> None:
    result = run(*command, value)
    assert result.exit_code == 2
    assert "is not a finite number" in result.output or "is not in the range" in result.output
