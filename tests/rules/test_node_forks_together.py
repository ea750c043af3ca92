from dataclasses import replace

import pytest

from checker.rules import judge_all
from checker.units import MIB
from tests.build import NEVER_FORKS, UNREAD, a_config, a_manifest, a_node, a_process, a_server, a_server_elsewhere
from tests.rules.asking import ask, size_in, status, verdict_on

RULE = "node-forks-together"
TWO = {"neighbours": (a_server(),)}


def added():
    estimate = verdict_on(a_server()).estimate
    return estimate.peak_expected_bytes - estimate.resident_bytes - a_process().vm_pte


@pytest.mark.parametrize(("short", "answer"), [(0, "pass"), (1, "warn")], ids=["just enough", "one byte short"])
def test_all_saves_together_must_fit_what_is_available(short, answer):
    assert status(RULE, a_server(), a_node(mem_available=2 * added() - short), **TWO) == answer


def test_with_what_the_remedy_frees_they_fit():
    node = a_node(mem_available=10 * MIB)
    more = size_in(ask(RULE, a_server(), node, **TWO))
    assert status(RULE, a_server(), replace(node, mem_available=10 * MIB + more), **TWO) == "pass"


def test_a_server_alone_is_not_asked():
    assert ask(RULE, a_server()) is None


@pytest.mark.parametrize(
    "neighbour",
    [
        pytest.param(a_server(config=a_config(**NEVER_FORKS)), id="never forks"),
        pytest.param(a_server_elsewhere(), id="runs on another machine"),
    ],
)
def test_only_servers_that_fork_here_count(neighbour):
    assert ask(RULE, a_server(), neighbours=(neighbour,)) is None


def test_a_neighbour_of_unknown_size_is_said_not_to_be_counted():
    unread = a_server(process=a_process(rss_anon=UNREAD), config=a_config(maxmemory=0))
    assert "1 of unknown size not counted" in ask(RULE, a_server(), neighbours=(unread,)).message


def test_what_is_available_may_be_unread():
    assert status(RULE, a_server(), a_node(mem_available=UNREAD), **TWO) == "unknown"


def test_all_servers_of_a_machine_are_judged_beside_the_others():
    node = a_node(mem_available=2 * added() - 1)
    assert [verdict.grade for verdict in judge_all([a_server(), a_server()], node)] == ["risky", "risky"]
    assert [verdict.grade for verdict in judge_all([a_server()], node)] == ["safe"]


def test_manifests_have_no_machine():
    assert ask(RULE, a_manifest(), neighbours=(a_manifest(),)) is None
