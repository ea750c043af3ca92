"""promtool, of the package prometheus."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool: apt install prometheus")


def promtool(*arguments: str | Path, stdin: str | None = None) -> None:
    """Run it; what it has to say against the arguments is why the test fails."""
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr
