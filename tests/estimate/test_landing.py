"""A pod that may be put on several nodes: one sentence for all, and the pages of the worst."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checker.estimate.landing import fork_on_any, forks_on, meeting_node
from checker.facts import Candidate, Unread
from checker.rules import judge
from checker.units import GIB, MIB
from checker.verdict import Finding
from tests.build import UNREAD, a_manifest, a_node

NICE = a_node(overcommit_memory=1)
STRICT = a_node(overcommit_memory=2, commit_limit=GIB)
TIGHT = a_node(overcommit_memory=2, committed_as=8 * GIB)


def landing(*nodes: object) -> tuple[Candidate, ...]:
    return tuple(Candidate(f"node-{number}", node) for number, node in enumerate(nodes, 1))  # type: ignore[arg-type]


def reason(*nodes: object) -> tuple[str, str]:
    fork = fork_on_any(forks_on(landing(*nodes), GIB), landing(*nodes))
    return fork.outcome, fork.reason


@pytest.mark.parametrize(
    ("nodes", "outcome", "words"),
    [
        pytest.param((NICE, NICE), "granted", "all 2 eligible nodes would grant the fork", id="all grant"),
        pytest.param(
            (NICE, UNREAD),
            "unknown",
            "1 of 2 eligible nodes would grant the fork; of 1 no agent has told",
            id="one is silent",
        ),
        pytest.param(
            (NICE, STRICT, STRICT),
            "unknown",
            "2 of 3 eligible nodes would refuse the fork (vm.overcommit_memory=2: node-2, node-3)",
            id="some refuse",
        ),
        pytest.param(
            (NICE, TIGHT),
            "unknown",
            "1 of 2 eligible nodes may refuse the fork "
            "(node-2: vm.overcommit_memory=2: 8.00 GiB of 8.00 GiB are committed at present)",
            id="one may",
        ),
        pytest.param(
            (STRICT,),
            "refused",
            "1 of 1 eligible node would refuse the fork "
            "(node-1: vm.overcommit_memory=2: CommitLimit is 1.00 GiB, and the server with its child takes more)",
            id="the only one refuses",
        ),
        pytest.param(
            (STRICT,) * 7,
            "refused",
            "7 of 7 eligible nodes would refuse the fork "
            "(vm.overcommit_memory=2: node-1, node-2, node-3, node-4, node-5 and 2 more)",
            id="many refuse",
        ),
    ],
)
def test_one_answer_for_all_nodes(nodes: tuple[object, ...], outcome: str, words: str) -> None:
    assert reason(*nodes) == (outcome, words)


def test_of_the_nodes_that_a_server_runs_on_one_refusal_is_enough() -> None:
    here = tuple(replace(each, runs=True) for each in landing(NICE, STRICT))
    fork = fork_on_any(forks_on(here, GIB), here)
    assert (fork.outcome, fork.reason.partition(" (")[0]) == ("refused", "1 of 2 nodes would refuse the fork")
    verdict = judge(a_manifest(), None, landing=here)
    assert [each.status for each in verdict.findings if each.rule == "fork-refused"] == ["fail"]
    assert verdict.grade == "unsafe"


def test_a_save_is_estimated_where_a_write_copies_most() -> None:
    large = a_node(page_size_bytes=16384)
    met = meeting_node(landing(NICE, UNREAD, large))
    assert met is not None
    assert met.page_size_bytes == 16384
    assert isinstance(met.mem_available, Unread)
    assert meeting_node(landing(UNREAD)) is None


def finding(*nodes: object) -> Finding | None:
    verdict = judge(a_manifest(), None, landing=landing(*nodes))
    return next((each for each in verdict.findings if each.rule == "fork-refused"), None)


@pytest.mark.parametrize(
    ("nodes", "status"),
    [
        pytest.param((), None, id="no node known"),
        pytest.param((UNREAD, UNREAD), None, id="no agent told"),
        pytest.param((NICE, UNREAD), "pass", id="granted where known"),
        pytest.param((NICE, STRICT), "warn", id="some would refuse"),
        pytest.param((STRICT, UNREAD), "warn", id="all that are known would refuse"),
        pytest.param((STRICT, STRICT), "fail", id="all would refuse"),
    ],
)
def test_the_rule_fails_only_where_every_node_refuses(nodes: tuple[object, ...], status: str | None) -> None:
    found = finding(*nodes)
    assert (found.status if found else None) == status


def test_the_remedy_followed_is_enough() -> None:
    assert finding(NICE, a_node(overcommit_memory=1, commit_limit=GIB)) == Finding(
        "fork-refused", "pass", "all 2 eligible nodes would grant the fork"
    )


def test_larger_pages_make_the_copy_larger() -> None:
    small = judge(a_manifest(), None, landing=landing(NICE)).estimate
    large = judge(a_manifest(), None, landing=landing(NICE, a_node(page_size_bytes=65536))).estimate
    assert small is not None
    assert large is not None
    assert large.cow_expected_bytes > small.cow_expected_bytes + MIB
