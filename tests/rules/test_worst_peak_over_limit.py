import re

import pytest

from checker.units import MIB
from tests.build import NEVER_FORKS, UNREAD, a_config, a_manifest, a_server, holding, with_limit
from tests.rules.asking import ask, limit_in, status, verdict_on

RULE = "worst-peak-over-limit"


@pytest.mark.parametrize("server", [a_manifest(), a_server()], ids=["manifest", "process"])
def test_the_worst_peak_may_equal_the_limit_and_not_pass_it(server):
    peak = verdict_on(server).estimate.peak_worst_bytes
    assert status(RULE, with_limit(server, peak)) == "pass"
    assert status(RULE, with_limit(server, peak - 1)) == "warn"


@pytest.mark.parametrize("server", [a_manifest(limit=900 * MIB), a_server(**holding(1500 * MIB))])
def test_with_the_limit_of_the_remedy_the_verdict_is_safe(server):
    finding = ask(RULE, server)
    assert finding.status == "warn"
    assert verdict_on(with_limit(server, limit_in(finding))).grade == "safe"


def test_it_names_the_write_budget_and_the_budget_holds():
    server = a_manifest(limit=900 * MIB)
    budget = int(re.search(r"up to ([\d,]+) writes/s", ask(RULE, server).message)[1].replace(",", ""))
    expected = "expected-peak-over-limit"
    assert status(expected, server, write_rate_per_second=budget) == "pass"
    assert status(expected, server, write_rate_per_second=budget + 2) == "fail"


def test_it_says_so_where_no_write_rate_fits():
    assert "at no write rate" in ask(RULE, with_limit(a_server(), 390 * MIB)).message


def test_any_rate_may_fit_where_the_child_gives_back_what_it_has_saved():
    """Values of 100 KB under jemalloc: the expected peak stays below the worst, whatever the rate."""
    stated = {"keys": 4000, "value_bytes": 100_000}
    worst = verdict_on(a_server(), **stated).estimate.peak_worst_bytes
    tight = with_limit(a_server(), worst - 1)
    assert verdict_on(tight, **stated).estimate.write_budget_per_second is None
    assert "no write rate is expected to pass" in ask(RULE, tight, **stated).message


def test_it_does_not_ask_without_a_fork_a_limit_or_a_size():
    assert ask(RULE, a_manifest(config=a_config(**NEVER_FORKS))) is None
    assert ask(RULE, a_manifest(limit=UNREAD)) is None
    assert ask(RULE, a_manifest(maxmemory=0)) is None
