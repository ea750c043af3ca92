"""The verdict table, its precedence, and what no number may change."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.facts import UNLIMITED, Population, Server
from checker.rules import RULES, judge, rule_url
from checker.units import GIB, KIB, MIB
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
    a_server_elsewhere,
    a_volume,
    an_engine,
    an_info,
    declares,
    holding,
    with_limit,
    with_maxmemory,
)
from tests.rules.asking import verdict_on

REFUSING = a_node(overcommit_memory=2, commit_limit=GIB, committed_as=4 * GIB)
REFUSED = a_server(process=a_process(vmas=()), cgroup=a_cgroup())
NEVER = a_config(**NEVER_FORKS)
TIGHT = a_server(**holding(1500 * MIB))
FULL = a_server(**holding(1950 * MIB))

TABLE = [
    pytest.param(a_server(), None, "safe", id="granted, and even the worst case fits"),
    pytest.param(a_manifest(), None, "safe", id="a manifest of which even the worst case fits"),
    pytest.param(a_server(config=NEVER), None, "safe", id="nothing makes it fork"),
    pytest.param(a_server(config=NEVER), REFUSING, "safe", id="a refusal does not matter to who never forks"),
    pytest.param(a_manifest(limit=UNLIMITED, config=NEVER), None, "safe", id="never forks, no limit"),
    pytest.param(
        a_manifest(engine=an_engine(name="dragonfly", forks=False)), None, "safe", id="an engine without fork"
    ),
    pytest.param(TIGHT, None, "risky", id="the expected case fits, the worst does not"),
    pytest.param(a_manifest(limit=UNLIMITED), None, "risky", id="no limit"),
    pytest.param(with_limit(a_server(), UNLIMITED), None, "risky", id="no limit, and the machine has enough"),
    pytest.param(with_limit(a_server(), 16 * GIB), None, "risky", id="a limit that is none"),
    pytest.param(
        a_manifest(config=replace(NEVER, maxmemory=0)), None, "risky", id="a cache that never forks, unbounded"
    ),
    pytest.param(REFUSED, REFUSING, "unsafe", id="refused"),
    pytest.param(FULL, None, "unsafe", id="the expected case does not fit"),
    pytest.param(with_maxmemory(a_server(), 0), None, "unsafe", id="forks under a limit, and nothing bounds the data"),
    pytest.param(with_maxmemory(a_server(), 4 * GIB), None, "unsafe", id="maxmemory alone reaches the limit"),
    pytest.param(
        with_limit(a_server(), UNLIMITED), a_node(mem_available=MIB), "unsafe", id="no limit, and the machine too small"
    ),
    pytest.param(
        a_server(cgroup=a_cgroup(pids_max=10, pids_current=10)), None, "unsafe", id="no pid left for the child"
    ),
    pytest.param(a_server(cgroup=UNREAD), None, "unknown", id="the limit is unread"),
    pytest.param(a_server(cgroup=a_cgroup(a_level(memory_max=UNREAD))), None, "unknown", id="memory.max is unread"),
    pytest.param(with_maxmemory(a_server(), UNREAD), None, "unknown", id="maxmemory is unread"),
    pytest.param(
        a_server(process=a_process(rss_anon=UNREAD), config=a_config(maxmemory=0)),
        None,
        "unsafe",
        id="unbounded, unread",
    ),
    pytest.param(a_server(), a_node(overcommit_memory=UNREAD), "unknown", id="the mode is unread"),
    pytest.param(a_server_elsewhere(), None, "unknown", id="asked over the network alone"),
]


@pytest.mark.parametrize(("server", "node", "grade"), TABLE)
def test_the_verdict_table(server, node, grade):
    assert verdict_on(server, node).grade == grade


@pytest.mark.parametrize(
    ("server", "node", "grade"),
    [
        pytest.param(with_maxmemory(FULL, UNREAD), None, "unsafe", id="unsafe before unknown"),
        pytest.param(with_maxmemory(TIGHT, UNREAD), None, "unknown", id="unknown before risky"),
        pytest.param(TIGHT, REFUSING, "unsafe", id="unsafe before risky"),
    ],
)
def test_the_worse_answer_decides(server, node, grade):
    assert verdict_on(server, node).grade == grade


def test_where_it_is_unknown_whether_it_forks_it_is_judged_as_if():
    unread = a_config(save=UNREAD, appendonly=UNREAD, replicas_possible=UNREAD)
    assert verdict_on(a_server(config=unread)).grade == "safe"
    assert verdict_on(replace(TIGHT, config=unread)).grade == "risky"
    assert verdict_on(replace(FULL, config=unread)).grade == "unsafe"


def test_this_machines_facts_are_not_those_of_a_server_elsewhere():
    rules = {finding.rule for finding in verdict_on(a_server_elsewhere(), REFUSING).findings}
    assert not rules & {"fork-refused", "overcommit-setting", "huge-page-copies", "node-forks-together"}


# --- ignores ---------------------------------------------------------------------------------------------------------


def test_an_ignored_finding_does_not_decide_and_says_why():
    server = replace(TIGHT, declared=declares(ignores={"worst-peak-over-limit": "writes are capped by the proxy"}))
    verdict = verdict_on(server)
    ignored = [finding for finding in verdict.findings if finding.status == "ignored"]
    assert verdict.grade == "safe"
    assert [finding.rule for finding in ignored] == ["worst-peak-over-limit"]
    assert ignored[0].ignored_because == "writes are capped by the proxy"
    assert "writes/s" in ignored[0].message


def test_what_kills_is_never_ignored_into_safe():
    rules = ("expected-peak-over-limit", "worst-peak-over-limit", "maxmemory-over-limit", "maxmemory-unset")
    server = replace(FULL, declared=declares(ignores=dict.fromkeys(rules, "known")))
    assert verdict_on(server).grade == "risky"


def test_ignoring_one_rule_does_not_silence_another():
    server = replace(FULL, declared=declares(ignores={"worst-peak-over-limit": "known"}))
    assert verdict_on(server).grade == "unsafe"


def test_a_pass_stays_a_pass_when_it_is_ignored():
    server = a_server(declared=declares(ignores={"worst-peak-over-limit": "known"}))
    assert all(finding.status == "pass" for finding in verdict_on(server).findings)


# --- what no number may change ---------------------------------------------------------------------------------------

ORDER = ("safe", "risky", "unknown", "unsafe")

SIZES = st.integers(MIB, 3 * GIB)
RATES = st.floats(0, 200_000)
CONFIGS = st.sampled_from(
    [
        a_config(),
        a_config(maxmemory=2 * GIB),
        a_config(appendonly=True, replicas_possible=True),
        a_config(replicas_possible=True, replica_output_buffer_limit=0),
        NEVER,
    ]
)
SHAPES = st.sampled_from([(), (Population(1_000_000, 100, 16),), (Population(20_000, 20_000, 16),)])
ENGINES = st.sampled_from(
    [an_engine(), an_engine(version="6.2.14"), an_engine(name="valkey", version="8.1.1"), an_engine(version=UNREAD)]
)
VOLUMES = st.sampled_from([a_volume(), a_volume(in_memory=True, filesystem="tmpfs")])


@st.composite
def servers(draw: st.DrawFn) -> Server:
    changed = {
        "config": draw(CONFIGS),
        "shape": draw(SHAPES),
        "engine": draw(ENGINES),
        "volume": draw(VOLUMES),
        "cpu_limit_cores": draw(st.sampled_from([UNLIMITED, 0.5, 4])),
    }
    if draw(st.booleans()):
        return a_manifest(limit=draw(SIZES), **changed)
    return with_limit(a_server(**holding(draw(SIZES)), **changed), draw(SIZES))


def severity(server, **stated):
    return ORDER.index(verdict_on(server, **stated).grade)


@given(servers(), RATES, RATES)
@settings(max_examples=40, deadline=None)
def test_a_higher_write_rate_never_improves_the_verdict(server, some, more):
    low, high = sorted((some, more))
    assert severity(server, write_rate_per_second=low) <= severity(server, write_rate_per_second=high)


@given(servers(), SIZES, SIZES, RATES)
@settings(max_examples=40, deadline=None)
def test_a_higher_limit_never_worsens_the_verdict(server, some, more, rate):
    low, high = sorted((some, more))
    stated = {"write_rate_per_second": rate}
    assert severity(with_limit(server, high), **stated) <= severity(with_limit(server, low), **stated)


@given(servers(), RATES)
@settings(max_examples=40, deadline=None)
def test_the_expected_case_never_passes_the_worst(server, rate):
    estimate = verdict_on(server, write_rate_per_second=rate).estimate
    assert estimate.peak_expected_bytes <= estimate.peak_worst_bytes + 1
    assert estimate.cow_expected_bytes <= estimate.cow_worst_bytes


@given(servers())
@settings(max_examples=40, deadline=None)
def test_just_below_the_write_budget_fits_and_just_above_does_not(server):
    estimate = verdict_on(server).estimate
    budget, limit = estimate.write_budget_per_second, estimate.limit_bytes
    if budget is None:
        assert verdict_on(server, write_rate_per_second=1e9).estimate.peak_expected_bytes <= limit
        return
    if budget:
        assert verdict_on(server, write_rate_per_second=budget * 0.999).estimate.headroom_expected_bytes >= 0
    above = verdict_on(server, write_rate_per_second=budget * 1.01 + 100 * KIB)
    assert above.estimate.headroom_expected_bytes <= 0  # whole bytes: 0 may be a part of one over the limit


@given(servers(), st.sampled_from(["limit", "maxmemory", "resident"]), RATES)
@settings(max_examples=40, deadline=None)
def test_nothing_is_safe_that_misses_the_limit_maxmemory_or_the_resident_size(server, missing, rate):
    if missing == "limit":
        server = with_limit(server, UNREAD)
    else:
        server = with_maxmemory(server, UNREAD)
        if missing == "resident" and server.process is not None:
            server = replace(server, process=replace(server.process, rss_anon=UNREAD))
    assert verdict_on(server, write_rate_per_second=rate).grade != "safe"


@given(servers(), RATES)
@settings(max_examples=40, deadline=None)
def test_every_message_is_short_and_every_demand_has_a_remedy(server, rate):
    for finding in verdict_on(server, write_rate_per_second=rate).findings:
        assert len(finding.message) <= 220, finding
        assert "nan" not in finding.message.split(), finding
        assert finding.status == "pass" or finding.remedy, finding


# --- servers at the edges --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(a_server(**holding(0)), id="nothing resident"),
        pytest.param(a_server(info=an_info(keys=0, used_memory_dataset=0)), id="no keys"),
        pytest.param(a_server(shape=(Population(0, 100, 16),), **holding(0)), id="a shape of no keys"),
        pytest.param(with_limit(a_server(), 0), id="a limit of zero"),
        pytest.param(a_manifest(maxmemory=1), id="one byte of maxmemory"),
        pytest.param(a_server(cgroup=a_cgroup(a_level(memory_current=UNREAD))), id="memory.current unread"),
        pytest.param(a_server(process=a_process(vm_pte=UNREAD, vm_swap=UNREAD)), id="page tables and swap unread"),
        pytest.param(a_server(process=a_process(child=a_child(private_dirty=UNREAD))), id="a child of unread size"),
        pytest.param(a_server(cgroup=a_cgroup(path="/", levels=())), id="in the root cgroup"),
    ],
)
@pytest.mark.parametrize("stated", [{}, {"write_rate_per_second": 0.0}, {"value_bytes": 100}], ids=str)
def test_edges_are_judged_and_not_stumbled_over(server, stated):
    assert verdict_on(server, **stated).grade in ORDER


def test_a_last_save_too_fast_to_be_true_was_one_of_less_data():
    """Saved empty in 0 s, then loaded with 10 GB: a second would promise that hardly anything is copied."""
    server = a_server(**holding(10 * GIB), info=an_info(rdb_last_bgsave_time_sec=0))
    assert verdict_on(server).estimate.save_seconds > 100
    assert verdict_on(replace(server, info=an_info(rdb_last_bgsave_time_sec=60))).estimate.save_seconds == 61


def test_the_rules_have_distinct_ids_and_addresses():
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert rule_url("limit-unset").endswith("#limit-unset")


def test_judge_needs_no_assumptions_and_no_policy():
    assert judge(a_server(), a_node()).grade == "safe"
