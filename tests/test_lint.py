"""`bgsafe lint`: what it reads, what it says, and its exit codes."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from checker.cli import cli
from checker.cli.ending import EXIT_FINDINGS, EXIT_NOTHING_CHECKED, EXIT_USAGE
from tests.manifests.making import config_map, workload

REPOSITORY = Path(__file__).parents[1]
SAFE = workload("image: redis:7\nargs: [--maxmemory, 100mb]\nresources: {limits: {memory: 1Gi}}\n")
RISKY = workload("image: redis:7\nargs: [--maxmemory, 600mb]\nresources: {limits: {memory: 1Gi}}\n")
UNSAFE = workload("image: redis:7\nresources: {limits: {memory: 256Mi}}\n")
UNKNOWN = workload("image: redis:7\nargs: [/c/redis.conf]\nresources: {limits: {memory: 1Gi}}\n")
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {}\n"
BROKEN = "kind: Pod\nspec:\n  containers: [\n  - a: b\n"


def lint(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["lint", *map(str, arguments)], input=stdin, prog_name="bgsafe")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f.yaml"


# --- exit codes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [
        pytest.param(SAFE, "unknown", 0, id="safe never fails"),
        pytest.param(RISKY, "unsafe", 0, id="risky, below"),
        pytest.param(RISKY, "risky", EXIT_FINDINGS, id="risky"),
        pytest.param(UNKNOWN, "risky", 0, id="unknown, below"),
        pytest.param(UNKNOWN, "unknown", EXIT_FINDINGS, id="unknown"),
        pytest.param(UNSAFE, "unsafe", EXIT_FINDINGS, id="unsafe"),
        pytest.param(UNSAFE, "never", 0, id="never"),
        pytest.param(SERVICE, "unsafe", EXIT_NOTHING_CHECKED, id="no server"),
        pytest.param("", "unsafe", EXIT_NOTHING_CHECKED, id="nothing at all"),
        pytest.param(BROKEN, "never", EXIT_USAGE, id="broken"),
    ],
)
def test_exit_codes(file: Path, text: str, fail_on: str, code: int) -> None:
    file.write_text(text)
    assert lint(file, "--fail-on", fail_on).exit_code == code


def test_no_server_may_be_allowed(file: Path) -> None:
    file.write_text(SERVICE)
    assert lint(file, "--allow-none").exit_code == 0


@pytest.mark.parametrize(
    "arguments", [[], ["a.yaml", "--fix", "--diff"], ["a.yaml", "--policy", "none.yaml"]], ids=" ".join
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert lint(*arguments).exit_code == EXIT_USAGE


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_broken_document_has_its_place_and_hides_nothing(file: Path) -> None:
    file.write_text(SAFE + "---\n" + BROKEN + "---\n" + UNSAFE)
    result = lint(file, "-q")
    assert result.exit_code == EXIT_USAGE
    document = json.loads(lint(file, "--format", "json").output)
    assert [subject["verdict"] for subject in document["subjects"]] == ["safe", "unsafe"]
    (problem,) = document["problems"]
    assert f"{file} line " in problem["where"]
    assert " column " in problem["where"]
    assert "broken YAML" in problem["why"]


def test_directories_links_and_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.yml").write_text(SAFE)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "notes.txt").write_text(UNSAFE)
    (tmp_path / "s.json").write_text('{"kind": "Service"}')
    document = json.loads(lint(tmp_path, "--format", "json").output)
    assert document["summary"] | {"safe": 1, "unsafe": 0} == document["summary"]
    assert lint(tmp_path).exit_code == 0


def test_a_file_that_cannot_be_read_is_a_problem(file: Path) -> None:
    file.symlink_to(file)
    result = lint(file)
    assert result.exit_code == EXIT_USAGE
    assert "Too many levels of symbolic links" in result.output


def test_a_file_is_read_once_however_often_it_is_named(tmp_path: Path, file: Path) -> None:
    file.write_text(SAFE)
    (tmp_path / "link.yaml").symlink_to(file)
    assert len(json.loads(lint(tmp_path, file, file, "--format", "json").output)["subjects"]) == 1


@pytest.mark.parametrize("content", [b"\x00\x01", b"\xff\xfe\x00", b"kind: \xe9\n"], ids=["NUL", "UTF-16", "Latin-1"])
def test_binary_files_are_problems(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert lint(file).exit_code == EXIT_USAGE
    assert lint("-", stdin=content).exit_code == EXIT_USAGE


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    result = lint(tmp_path / "none.yaml")
    assert result.exit_code == EXIT_USAGE
    assert "No such file" in result.output


def test_a_config_map_of_another_file_is_found(tmp_path: Path) -> None:
    mounts = "volumeMounts: [{name: c, mountPath: /c}]\n"
    server = UNKNOWN.removesuffix("\n") + "\n" + " " * 8 + mounts
    volumes = "      volumes: [{name: c, configMap: {name: conf}}]\n"
    (tmp_path / "server.yaml").write_text(server + volumes)
    assert json.loads(lint(tmp_path, "--format", "json").output)["summary"]["unknown"] == 1
    (tmp_path / "conf.yaml").write_text(config_map("conf", redis_conf="maxmemory 100mb\n"))
    assert json.loads(lint(tmp_path, "--format", "json").output)["summary"]["safe"] == 1


# --- saying ----------------------------------------------------------------------------------------------------------


def test_json_is_valid_by_the_schema_with_a_patch(file: Path) -> None:
    file.write_text(UNSAFE + "---\n" + RISKY)
    document = json.loads(lint(file, "--format", "json").output)
    Draft202012Validator(json.loads((REPOSITORY / "docs/schema/v1.json").read_text())).validate(document)
    patches = [subject["recommendation"]["patch"] for subject in document["subjects"]]
    assert '+        args: ["--maxmemory", "203mb"]' in patches[0]
    assert patches[1] is None
    assert document["subjects"][0]["subject"]["line"] == UNSAFE.splitlines().index("      - name: c") + 1


def test_an_assumption_that_decides_is_named(file: Path) -> None:
    file.write_text(RISKY)
    assert "assumed, not measured: 1,000 writes/s" in lint(file).output
    file.write_text(
        RISKY.replace("metadata: {name: w}", 'metadata: {name: w, annotations: {bgsafe.io/write-rate: "50"}}')
    )
    assert "assumed, not measured: 1,000 writes/s" not in lint(file).output


@pytest.mark.parametrize("value", ["fast", "-1", "nan"])
def test_a_wrong_annotation_is_a_finding_and_no_default(file: Path, value: str) -> None:
    file.write_text(
        SAFE.replace("metadata: {name: w}", f'metadata: {{name: w, annotations: {{bgsafe.io/write-rate: "{value}"}}}}')
    )
    (subject,) = json.loads(lint(file, "--format", "json").output)["subjects"]
    assert subject["verdict"] == "unknown"
    assert any(finding["rule"] == "declaration-invalid" for finding in subject["findings"])


def test_an_ignored_finding_keeps_its_reason_and_makes_nothing_safe(file: Path) -> None:
    annotation = 'bgsafe.io/ignore.maxmemory-unset: "a bounded key set"'
    file.write_text(UNSAFE.replace("metadata: {name: w}", f"metadata: {{name: w, annotations: {{{annotation}}}}}"))
    result = lint(file, "--format", "json")
    (subject,) = json.loads(result.output)["subjects"]
    (ignored,) = [finding for finding in subject["findings"] if finding["status"] == "ignored"]
    assert ignored["ignored_because"] == "a bounded key set"
    assert (subject["verdict"], result.exit_code) == ("risky", 0)
    file.write_text(file.read_text().replace("a bounded key set", ""))
    assert json.loads(lint(file, "--format", "json").output)["subjects"][0]["verdict"] == "unsafe"


# --- policy ----------------------------------------------------------------------------------------------------------


def policy(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy"
    path.write_text(text)
    return path


def test_exempted_servers_are_counted_not_judged(file: Path, tmp_path: Path) -> None:
    file.write_text(UNSAFE.replace("{name: w}", "{name: cache-1, namespace: team-a}"))
    exempt = policy(tmp_path, 'exempt: [{namespace: "team-*", name: "cache-*", reason: tests}]')
    result = lint(file, "--policy", exempt, "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.output)["subjects"] == []
    assert lint(file).exit_code == EXIT_FINDINGS
    other = policy(tmp_path, 'exempt: [{namespace: "team-b"}]')
    assert lint(file, "--policy", other).exit_code == EXIT_FINDINGS


def test_an_image_of_ones_own_is_named_by_the_policy(file: Path, tmp_path: Path) -> None:
    file.write_text(UNSAFE.replace("redis:7", "registry.example/mycache:1"))
    assert lint(file).exit_code == EXIT_NOTHING_CHECKED
    named = policy(tmp_path, 'engines: [{image: "registry.example/mycache*", engine: redis}]')
    assert lint(file, "--policy", named).exit_code in (0, EXIT_FINDINGS)


def test_the_policys_write_rate_decides(file: Path, tmp_path: Path) -> None:
    file.write_text(RISKY)
    assert lint(file).exit_code == 0
    busy = policy(tmp_path, "defaults: {writeRatePerSecond: 100000}")
    assert lint(file, "--policy", busy).exit_code == EXIT_FINDINGS


# --- fixing ----------------------------------------------------------------------------------------------------------


def test_fix_writes_and_reports_what_remains(file: Path) -> None:
    file.write_text(UNSAFE)
    result = lint(file, "--fix")
    assert result.exit_code == 0
    assert "fixed: " in result.stderr
    assert "noeviction" in result.stderr
    assert "RISKY" in result.stdout
    assert "--maxmemory" in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == ["f.yaml"]


def test_diff_shows_and_writes_nothing(file: Path) -> None:
    file.write_text(UNSAFE)
    result = lint(file, "--diff")
    assert result.exit_code == EXIT_FINDINGS
    assert result.stdout.startswith("--- a/")
    assert "UNSAFE" in result.stderr
    assert file.read_text() == UNSAFE


def test_the_fixed_stream_goes_to_stdout() -> None:
    result = lint("-", "--fix", stdin=UNSAFE.replace("\n", "\r\n").encode())
    assert result.exit_code == 0
    assert "--maxmemory" in result.stdout
    assert result.stdout_bytes.count(b"\r\n") == UNSAFE.count("\n") + 1
    assert "RISKY" in result.stderr


def test_a_link_stays_a_link_and_the_mode_stays(tmp_path: Path, file: Path) -> None:
    target = tmp_path / "target.yaml"
    target.write_text(UNSAFE)
    target.chmod(0o640)
    file.symlink_to(target)
    assert lint(file, "--fix").exit_code == 0
    assert file.is_symlink()
    assert "--maxmemory" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_read_only_file_is_left_alone(file: Path) -> None:
    file.write_text(UNSAFE)
    file.chmod(0o444)
    result = lint(file, "--fix")
    assert "is read-only" in result.stderr
    assert result.exit_code == EXIT_FINDINGS
    assert file.read_text() == UNSAFE


def test_heavy_libraries_stay_out(file: Path) -> None:
    file.write_text(SAFE)
    code = (
        "import sys; from checker.cli import cli; cli(['lint', sys.argv[1]], standalone_mode=False)\n"
        "print(*[name for name in ('redis', 'jsonschema', 'flask', 'kubernetes', 'ssl') if name in sys.modules])"
    )
    command = [sys.executable, "-c", f"try:\n {code.splitlines()[0]}\nexcept SystemExit: pass\n{code.splitlines()[1]}"]
    assert subprocess.run([*command, file], capture_output=True, text=True).stdout.splitlines()[-1] == ""


def test_a_strangers_names_do_not_speak_to_the_terminal(file: Path) -> None:
    file.write_text(UNSAFE.replace("{name: w}", r'{name: "w\e[31m\n::error::"}'))
    for form in ("text", "github", "junit"):
        output = lint(file, "--format", form, "--diff").output
        assert "\x1b" not in output
        assert "\n::error::" not in output.replace("\n::error file=", "")
