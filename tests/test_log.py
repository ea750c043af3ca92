"""The log: one JSON object a line, and which lines may wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from checker.log import log


def test_an_event_is_one_line_of_json_with_its_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    log("review", name="a\nb", seconds=0.5, reason=ValueError("no"))
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event.pop("time").endswith("+00:00")
    assert event == {"level": "info", "event": "review", "name": "a\nb", "seconds": 0.5, "reason": "no"}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("held", "level", "written"),
    [
        pytest.param(False, "info", True, id="a line is written at once"),
        pytest.param(True, "info", False, id="a line that may wait waits"),
        pytest.param(True, "warning", True, id="what somebody should see is written at once"),
        pytest.param(True, "error", True, id="and an error too"),
    ],
)
def test_lines_wait_only_where_they_may(held: bool, level: str, written: bool, unbuffered: str) -> None:
    """In a process of its own, which ends as a killed one does: what was not written by then is lost."""
    program = f"""
import os
from checker.log import hold_lines, log
if {held}: hold_lines()
log("one", level={level!r})
os._exit(0)
"""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr
    assert bool(printed) is written


def test_no_line_is_lost_between_threads() -> None:
    """Six threads log while one writes what waits, more than any buffer holds."""
    program = """
import threading
from checker.log import hold_lines, log, write_lines
hold_lines()
threads = [threading.Thread(target=lambda: [log("one", text="x" * 300) for _ in range(500)]) for _ in range(6)]
for thread in threads: thread.start()
while any(thread.is_alive() for thread in threads): write_lines()
write_lines()
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    assert [json.loads(line)["event"] for line in printed.splitlines()] == ["one"] * 3000
