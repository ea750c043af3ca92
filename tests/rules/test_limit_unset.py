from dataclasses import replace

import pytest

from checker.facts import UNLIMITED
from checker.units import GIB, MIB
from tests.build import (
    NEVER_FORKS,
    UNREAD,
    a_cgroup,
    a_config,
    a_level,
    a_manifest,
    a_node,
    a_server,
    holding,
    with_limit,
)
from tests.rules.asking import ask, limit_in, size_in, status, verdict_on

RULE = "limit-unset"
ALONE = a_server(cgroup=a_cgroup(a_level(memory_max=UNLIMITED)))


def added(server):
    estimate = verdict_on(server).estimate
    return estimate.peak_expected_bytes - estimate.resident_bytes - server.process.vm_pte


@pytest.mark.parametrize(
    ("short", "answer"), [pytest.param(0, "warn", id="just enough"), pytest.param(1, "fail", id="one byte short")]
)
def test_without_a_limit_the_machine_must_have_what_a_save_adds(short, answer):
    assert status(RULE, ALONE, a_node(mem_available=added(ALONE) - short)) == answer


def test_with_what_the_remedy_frees_it_is_only_a_warning():
    node = a_node(mem_available=10 * MIB)
    more = size_in(ask(RULE, ALONE, node))
    assert status(RULE, ALONE, replace(node, mem_available=node.mem_available + more)) == "warn"


@pytest.mark.parametrize("server", [ALONE, a_manifest(limit=UNLIMITED)], ids=["process", "manifest"])
def test_with_the_limit_of_the_remedy_the_verdict_is_safe(server):
    assert verdict_on(with_limit(server, limit_in(ask(RULE, server)))).grade == "safe"


def test_a_limit_that_is_not_below_the_machines_memory_is_none():
    assert status(RULE, with_limit(a_server(), 16 * GIB)) == "warn"
    assert ask(RULE, with_limit(a_server(), 16 * GIB - 1)) is None


def test_no_limit_is_recommended_that_the_machine_does_not_have():
    server = with_limit(a_server(**holding(9 * GIB)), UNLIMITED)
    assert "a machine with more than" in ask(RULE, server).remedy
    assert verdict_on(server).recommendation.limit_bytes is None


def test_what_the_machine_has_may_be_unread():
    assert status(RULE, ALONE, a_node(mem_available=UNREAD)) == "unknown"


def test_without_a_size_it_still_warns():
    assert status(RULE, a_manifest(limit=UNLIMITED, maxmemory=0)) == "warn"


def test_without_a_fork_it_passes():
    assert status(RULE, a_manifest(limit=UNLIMITED, config=a_config(**NEVER_FORKS))) == "pass"


def test_from_inside_a_container_it_says_what_cannot_be_seen():
    hidden = a_server(cgroup=a_cgroup(a_level(memory_max=UNLIMITED), path="/", ancestors_hidden=True))
    assert "seen from inside" in ask(RULE, hidden).message


def test_a_limit_that_was_not_read_is_not_no_limit():
    assert ask(RULE, a_server(cgroup=UNREAD)) is None
