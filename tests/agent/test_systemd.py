"""The systemd unit: systemd's own opinion of it, and that its command is one of ours."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.cli import cli

UNIT = Path(__file__).parents[2] / "deploy/systemd/bgsafe-agent.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/bgsafe/bin/bgsafe", sys.executable))
    checked = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_unit_starts_a_command_that_there_is() -> None:
    (command,) = re.findall(r"^ExecStart=\S+/bgsafe (\w+)", UNIT.read_text(), re.MULTILINE)
    assert CliRunner().invoke(cli, [command, "--help"]).exit_code == 0


def test_the_unit_has_the_two_capabilities_and_no_more() -> None:
    sets = re.findall(r"^(?:CapabilityBoundingSet|AmbientCapabilities)=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert [set(each.split()) for each in sets] == [{"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}] * 2
