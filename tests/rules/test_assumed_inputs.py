import pytest

from checker.units import GIB, MIB
from tests.build import NEVER_FORKS, a_config, a_manifest, a_server, declares
from tests.rules.asking import ask, status, verdict_on

RULE = "assumed-inputs"
TIGHT = {"limit": GIB, "maxmemory": 700 * MIB}


def test_it_names_what_is_assumed_and_the_rate_that_tips_the_answer():
    finding = ask(RULE, a_manifest(**TIGHT))
    assert finding.status == "warn"
    assert "1,000 writes/s and a save of 80.0 MiB/s" in finding.message


@pytest.mark.parametrize(("factor", "grade"), [(0.99, "risky"), (1.01, "unsafe")], ids=["below", "above"])
def test_the_answer_tips_at_the_rate_that_it_names(factor, grade):
    budget = verdict_on(a_manifest(**TIGHT)).estimate.write_budget_per_second
    assert verdict_on(a_manifest(**TIGHT), write_rate_per_second=budget * factor).grade == grade


def test_what_is_declared_or_stated_is_not_assumed():
    declared = declares(write_rate_per_second=500.0, save_throughput_per_second=100 * MIB)
    assert status(RULE, a_manifest(**TIGHT, declared=declared)) == "pass"
    assert status(RULE, a_manifest(**TIGHT), write_rate_per_second=500.0, save_seconds=3.0) == "pass"
    assert "writes/s and" not in ask(RULE, a_manifest(**TIGHT), write_rate_per_second=500.0).message


@pytest.mark.parametrize(
    ("limit", "says"), [(2 * GIB, "at any write rate a save fits"), (700 * MIB, "at no write rate does a save fit")]
)
def test_it_says_when_the_answer_does_not_hang_on_it(limit, says):
    assert says in ask(RULE, a_manifest(limit=limit, maxmemory=700 * MIB)).message


def test_it_does_not_ask_of_a_running_server_or_of_one_that_never_forks():
    assert ask(RULE, a_server()) is None
    assert ask(RULE, a_manifest(**TIGHT, config=a_config(**NEVER_FORKS))) is None
