"""Refused, granted, within the kernel's tolerance; and that the remedy's number is enough."""

from dataclasses import replace

import pytest

from checker.facts import Vma
from checker.units import GIB, MIB
from tests.build import NEVER_FORKS, UNREAD, a_config, a_manifest, a_node, a_process, a_server
from tests.rules.asking import ask, size_in, status

RULE = "fork-refused"


def mapping(size: int) -> Vma:
    return Vma(start=0, size=size, perms="rw-p", flags=frozenset({"rd", "wr", "ac"}), name="")


def with_mapping(size: int):
    return a_server(process=a_process(vmas=(mapping(size),), vm_size=size))


@pytest.mark.parametrize(
    ("size", "answer"),
    [
        pytest.param(16 * GIB, "pass", id="as large as RAM and swap"),
        pytest.param(16 * GIB + 4096, "fail", id="one page more"),
    ],
)
def test_in_mode_0_a_single_mapping_larger_than_ram_and_swap_is_refused(size, answer):
    assert status(RULE, with_mapping(size), a_node(overcommit_memory=0)) == answer


def test_mode_1_never_refuses():
    assert status(RULE, with_mapping(64 * GIB), a_node(overcommit_memory=1)) == "pass"


def test_in_mode_0_the_swap_that_the_remedy_names_is_enough():
    server, node = with_mapping(17 * GIB + 4096), a_node(overcommit_memory=0)
    more = size_in(ask(RULE, server, node))
    assert status(RULE, server, replace(node, swap_total=node.swap_total + more)) == "pass"


def mode_2(committed: int):
    return a_node(overcommit_memory=2, commit_limit=8 * GIB, committed_as=committed)


@pytest.mark.parametrize("committed", [7 * GIB, 8 * GIB, 12 * GIB])
def test_in_mode_2_the_commit_limit_that_the_remedy_names_is_enough(committed):
    server, node = with_mapping(2 * GIB), mode_2(committed)
    finding = ask(RULE, server, node)
    assert finding.status == "fail"
    more = size_in(finding)
    assert status(RULE, server, replace(node, commit_limit=node.commit_limit + more)) == "pass"
    assert status(RULE, server, replace(node, overcommit_memory=1)) == "pass"


def test_in_mode_2_every_answer_lies_on_its_side_of_the_edge():
    """Refused, then the kernel's own tolerance, then granted with too little for the child, then granted."""
    answers = [status(RULE, with_mapping(2 * GIB), mode_2(committed)) for committed in range(5 * GIB, 7 * GIB, MIB)]
    assert list(dict.fromkeys(reversed(answers))) == ["fail", "unknown", "warn", "pass"]


def test_mappings_that_were_not_read_leave_it_open_with_the_way_to_read_them():
    server = a_server(process=a_process(vmas=UNREAD, vm_size=20 * GIB))
    finding = ask(RULE, server, a_node(overcommit_memory=0))
    assert finding.status == "unknown"
    assert finding.remedy == UNREAD.remedy


def test_an_unread_mode_leaves_it_open():
    assert status(RULE, a_server(), a_node(overcommit_memory=UNREAD)) == "unknown"


def test_a_server_that_never_forks_passes():
    assert status(RULE, a_server(config=a_config(**NEVER_FORKS)), a_node(overcommit_memory=2, commit_limit=0)) == "pass"


def test_a_manifest_asks_no_kernel():
    assert ask(RULE, a_manifest()) is None
