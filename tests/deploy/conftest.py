"""What is made once for all tests of the deployment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.deploy.rendering import ROOT


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bgsafe as the image has it: the wheel and the locked packages, in a directory that had nothing in it."""
    prefix = tmp_path_factory.mktemp("image") / "opt"
    command = ["sh", str(ROOT / "deploy/image/install"), str(prefix)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=600)
    assert done.returncode == 0, done.stderr
    return prefix
