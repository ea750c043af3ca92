"""`bgsafe explain --try`, for real: pages are copied once, and as many as the formula says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checker.facts import Unread
from checker.lab import cgroup
from checker.lab.experiment import MEMORY_BYTES, Experiment, run
from checker.units import MIB

PYTHON_FAULTS = 300
"""What the interpreter may fault on beside the pages of the experiment."""


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return run()


def test_without_a_child_a_write_to_a_page_that_is_there_faults_nowhere(experiment):
    assert experiment.rounds[0].minor_faults < PYTHON_FAULTS
    assert isinstance(experiment.rounds[0].child_private, Unread)


def test_with_a_child_each_page_faults_once(experiment):
    quarter = MEMORY_BYTES // experiment.page_size_bytes // 4
    first, again = experiment.rounds[1], experiment.rounds[2]
    assert quarter <= first.minor_faults < quarter + PYTHON_FAULTS
    assert again.minor_faults < PYTHON_FAULTS


def test_the_child_is_left_with_what_was_copied(experiment):
    private = experiment.rounds[1].child_private
    if isinstance(private, Unread):
        pytest.skip(f"this kernel does not tell: {private}")
    assert MEMORY_BYTES // 4 <= private < MEMORY_BYTES // 2


def test_one_per_cent_of_the_records_copies_what_the_formula_says(experiment):
    assert experiment.scattered_bytes == pytest.approx(experiment.predicted_bytes, rel=0.15)
    assert experiment.scattered_bytes > 20 * 0.01 * MEMORY_BYTES


def test_the_text_has_the_numbers_and_no_child_is_left(experiment):
    text = experiment.text()
    assert f"{experiment.rounds[1].minor_faults:,}" in text
    assert "1% of them, anywhere" in text
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if children.exists():
        left = [Path(f"/proc/{pid}/cmdline") for pid in children.read_text().split()]
        assert all(b"pytest" not in path.read_bytes() for path in left if path.exists())


@pytest.mark.live
@pytest.mark.skipif(cgroup.refusal() is not None, reason=f"no memory cgroup: {cgroup.refusal()}")
def test_where_the_limit_is_near_it_does_not_begin():
    group = cgroup.create(f"bgsafe-explain-{os.getpid()}")
    assert not isinstance(group, Unread)
    try:
        group.set_limit(200 * MIB)
        ran = subprocess.run(
            [sys.executable, "-m", "checker.cli", "explain", "--try"],
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=lambda: group.procs.write_text(str(os.getpid())),
        )
        assert ran.returncode == 2
        assert "left below its limit, and it takes 256 MiB" in ran.stderr
        assert group.oom_kills() == 0
    finally:
        group.remove()
