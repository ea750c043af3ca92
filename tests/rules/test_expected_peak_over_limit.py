import re

import pytest

from checker.facts import UNLIMITED
from checker.units import GIB, MIB
from tests.build import (
    NEVER_FORKS,
    UNREAD,
    a_cgroup,
    a_child,
    a_config,
    a_level,
    a_manifest,
    a_node,
    a_process,
    a_server,
    holding,
    with_limit,
    with_maxmemory,
)
from tests.rules.asking import ask, limit_in, maxmemory_in, status, verdict_on

RULE = "expected-peak-over-limit"


@pytest.mark.parametrize("server", [a_manifest(), a_server()], ids=["manifest", "process"])
def test_the_expected_peak_may_equal_the_limit_and_not_pass_it(server):
    peak = verdict_on(server).estimate.peak_expected_bytes
    assert status(RULE, with_limit(server, peak)) == "pass"
    assert status(RULE, with_limit(server, peak - 1)) == "fail"


@pytest.mark.parametrize(
    "config", [a_config(**NEVER_FORKS), a_config(maxmemory=0, **NEVER_FORKS)], ids=["bounded", "unbounded"]
)
def test_a_server_that_never_forks_is_judged_on_what_is_held(config):
    server = a_server(config=config)
    held = server.cgroup.levels[0].memory_current
    assert status(RULE, with_limit(server, held)) == "pass"
    assert status(RULE, with_limit(server, held - 1)) == "fail"


def test_without_a_limit_another_rule_speaks():
    assert ask(RULE, a_manifest(limit=UNLIMITED)) is None


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(a_manifest(limit=UNREAD), id="limit"),
        pytest.param(a_server(process=a_process(rss_anon=UNREAD), config=a_config(maxmemory=0)), id="RssAnon"),
        pytest.param(a_server(cgroup=UNREAD), id="cgroup"),
        pytest.param(a_server(cgroup=a_cgroup(a_level(), a_level(memory_max=UNREAD))), id="limit of an ancestor"),
    ],
)
def test_a_missing_fact_is_unknown_with_a_remedy(server):
    finding = ask(RULE, server)
    assert finding.status == "unknown"
    assert finding.remedy == UNREAD.remedy or "maxmemory" in finding.remedy


@pytest.mark.parametrize("maxmemory", [0, UNREAD], ids=["not set", "unread"])
def test_without_a_size_it_leaves_a_manifest_to_maxmemory_unset(maxmemory):
    server = a_manifest(maxmemory=maxmemory)
    assert ask(RULE, server) is None
    assert status("maxmemory-unset", server) in ("fail", "unknown")


TIGHT = [
    pytest.param(a_manifest(limit=700 * MIB), id="manifest"),
    pytest.param(with_limit(a_server(), 420 * MIB), id="process"),
    pytest.param(a_server(**holding(1900 * MIB), config=a_config(maxmemory=3 * GIB)), id="growing"),
]


@pytest.mark.parametrize("server", TIGHT)
def test_with_the_limit_of_the_remedy_it_fits_now_and_at_maxmemory(server):
    followed = with_limit(server, limit_in(ask(RULE, server)))
    for rule in (RULE, "maxmemory-over-limit", "peak-at-maxmemory"):
        assert status(rule, followed) in ("pass", None)


def test_with_the_maxmemory_of_the_remedy_it_fits():
    server = a_manifest(limit=700 * MIB)
    assert status(RULE, with_maxmemory(server, maxmemory_in(ask(RULE, server)))) == "pass"


def test_with_the_write_rate_of_the_remedy_it_fits():
    server = a_manifest(limit=700 * MIB)
    rate = int(re.search(r"at most ([\d,]+)/s", ask(RULE, server).remedy)[1].replace(",", ""))
    assert status(RULE, server, write_rate_per_second=rate) == "pass"
    assert status(RULE, server, write_rate_per_second=rate + 2) == "fail"


def test_no_write_rate_is_named_where_none_fits():
    assert "/s" not in ask(RULE, with_limit(a_server(), 390 * MIB)).remedy


def test_the_level_with_least_room_decides_and_its_neighbours_count():
    parent = a_level("/sys/fs/cgroup/all", memory_max=4 * GIB, memory_current=4 * GIB - 20 * MIB)
    server = a_server(cgroup=a_cgroup(a_level(), parent))
    finding = ask(RULE, server)
    assert finding.status == "fail"
    assert "memory.max of all" in finding.remedy
    assert limit_in(finding) > 4 * GIB


def test_a_level_at_or_above_the_machines_memory_does_not_hide_a_smaller_limit():
    """The root slice is full of others, and its limit is none; the server's own limit holds."""
    root = a_level("/sys/fs/cgroup/all", memory_max=16 * GIB, memory_current=16 * GIB - MIB)
    estimate = verdict_on(a_server(cgroup=a_cgroup(a_level(), root))).estimate
    assert estimate.limit_bytes == 2 * GIB


def test_what_a_running_child_has_copied_is_not_counted_for_the_next():
    held = a_server().cgroup.levels[0].memory_current
    saving = a_level(memory_current=held + 20 * MIB + a_process().vm_pte)
    child = a_server(process=a_process(child=a_child()), cgroup=a_cgroup(saving))
    assert verdict_on(child).estimate.peak_expected_bytes == verdict_on(a_server()).estimate.peak_expected_bytes


def test_what_is_in_swap_comes_back():
    swapped = a_server(
        process=a_process(rss_anon=300 * MIB, vm_swap=100 * MIB), cgroup=a_cgroup(a_level(memory_current=301 * MIB))
    )
    estimate = verdict_on(swapped).estimate
    assert estimate.resident_bytes == 400 * MIB
    assert estimate.peak_expected_bytes >= verdict_on(a_server()).estimate.peak_expected_bytes
    assert "100 MiB in swap" in estimate.sources["resident_bytes"]


def test_a_limit_that_the_machine_does_not_have_is_not_asked_for():
    server = a_server(**holding(14 * GIB), config=a_config(maxmemory=15 * GIB))
    server = with_limit(server, 14 * GIB + 100 * MIB)
    assert "a machine with more than" in ask(RULE, server, a_node(mem_total=15 * GIB)).remedy


@pytest.mark.parametrize("rate", [0, 0.0])
@pytest.mark.parametrize("seconds", [0.0, 1e-9, 10.0])
def test_no_write_and_no_time_copy_only_the_childs_own(rate, seconds):
    estimate = verdict_on(a_manifest(), write_rate_per_second=rate, save_seconds=seconds).estimate
    assert estimate.cow_expected_bytes < 2 * MIB


@pytest.mark.parametrize(
    ("swap_max", "swap_free", "said"),
    [
        pytest.param(0, GIB, "the kernel kills", id="no swap for this control group"),
        pytest.param(UNLIMITED, 0, "the kernel kills", id="no swap on this machine"),
        pytest.param(UNLIMITED, GIB, "the kernel swaps, then kills", id="swap"),
    ],
)
def test_it_says_what_the_kernel_does_at_the_limit(swap_max, swap_free, said):
    level = a_level(memory_max=410 * MIB, swap_max=swap_max)
    assert ask(RULE, a_server(cgroup=a_cgroup(level)), a_node(swap_free=swap_free)).message.endswith(said)
