"""Recorded forks, where a folder of them lies beside the repository (or BGSAFE_RECORDED names one)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("BGSAFE_RECORDED", Path(__file__).parents[2] / "shared" / "data"))


def recorded(name: str) -> Path:
    """The path of a recorded file; skips the test where there is none."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no recorded cases: {path} is not there (set BGSAFE_RECORDED)")
    return path
