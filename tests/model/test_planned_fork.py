"""The fork of a server that is not there yet: only what no moment would grant is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.model.overcommit import judge_fork
from checker.model.planned_fork import judge_planned_fork
from checker.units import GIB, MIB
from tests.build import UNREAD, a_node, a_process
from tests.rules.test_fork_refused import mapping


def outcome(resident: int, **node: Any) -> str:
    return judge_planned_fork(a_node(**node), resident).outcome


@pytest.mark.parametrize(
    ("resident", "node", "answer"),
    [
        pytest.param(64 * GIB, {"overcommit_memory": 1}, "granted", id="mode 1"),
        pytest.param(16 * GIB, {"overcommit_memory": 0}, "granted", id="mode 0, all of RAM"),
        pytest.param(16 * GIB + 1, {"overcommit_memory": 0}, "unknown", id="mode 0, more than RAM"),
        pytest.param(6 * GIB, {"overcommit_memory": 0, "kernel_release": "4.19.0"}, "granted", id="old, half of free"),
        pytest.param(6 * GIB + 1, {"overcommit_memory": 0, "kernel_release": "4.19.0"}, "unknown", id="old, more"),
        pytest.param(GIB, {"overcommit_memory": 0, "kernel_release": UNREAD}, "unknown", id="mode 0, kernel unread"),
        pytest.param(GIB, {"overcommit_memory": 0, "mem_total": UNREAD}, "unknown", id="mode 0, RAM unread"),
        pytest.param(3 * GIB, {"overcommit_memory": 2}, "granted", id="mode 2, 1 of 8 GiB committed"),
        pytest.param(3700 * MIB, {"overcommit_memory": 2}, "unknown", id="mode 2, full with what is committed"),
        pytest.param(4 * GIB, {"overcommit_memory": 2}, "refused", id="mode 2, full without"),
        pytest.param(GIB, {"overcommit_memory": 2, "committed_as": 8 * GIB}, "unknown", id="mode 2, full at present"),
        pytest.param(GIB, {"overcommit_memory": 2, "commit_limit": UNREAD}, "unknown", id="mode 2, limit unread"),
        pytest.param(GIB, {"overcommit_memory": UNREAD}, "unknown", id="mode unread"),
        pytest.param(GIB, {"overcommit_memory": 7}, "unknown", id="no mode"),
    ],
)
def test_the_answer_of_a_node(resident: int, node: dict[str, Any], answer: str) -> None:
    assert outcome(resident, **node) == answer


@given(st.integers(1, 16 * GIB), st.integers(0, 16 * GIB), st.integers(0, 16 * GIB))
def test_what_was_planned_is_what_the_running_server_is_told(resident: int, limit: int, committed: int) -> None:
    """Once it runs there, its heap is committed too: then the exact rule never contradicts a certain answer."""
    resident = resident // 4096 * 4096 + 4096
    node = a_node(overcommit_memory=2, commit_limit=limit, committed_as=committed)
    planned = judge_planned_fork(node, resident).outcome
    process = a_process(vmas=(mapping(resident),), vm_size=resident, cap_sys_admin=False)
    running = judge_fork(replace(node, committed_as=committed + resident), process).outcome
    alone = judge_fork(replace(node, committed_as=resident), process).outcome
    if planned == "granted":
        assert running == "granted"
    if planned == "refused":
        assert alone == "refused"


@given(st.integers(0, 32 * GIB), st.integers(0, 2), st.sampled_from(["4.19.0", "6.1.0"]))
def test_a_larger_server_is_never_granted_more(resident: int, mode: int, kernel: str) -> None:
    order = ["refused", "unknown", "granted"]
    node = {"overcommit_memory": mode, "kernel_release": kernel}
    assert order.index(outcome(resident, **node)) >= order.index(outcome(resident + GIB, **node))
