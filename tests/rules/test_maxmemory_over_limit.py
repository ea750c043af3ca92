import pytest

from checker.facts import UNLIMITED
from checker.units import GIB, MIB
from tests.build import UNREAD, a_cgroup, a_config, a_level, a_manifest, a_server, declares, with_limit, with_maxmemory
from tests.rules.asking import ask, limit_in, maxmemory_in, status

RULE = "maxmemory-over-limit"


@pytest.mark.parametrize(
    ("limit", "answer"),
    [
        pytest.param(1_100_000_001, "pass", id="one byte below"),
        pytest.param(1_100_000_000, "fail", id="reached"),
        pytest.param(1_099_999_999, "fail", id="one byte over"),
    ],
)
def test_maxmemory_times_fragmentation_must_stay_below_the_limit(limit, answer):
    assert status(RULE, a_manifest(limit=limit, maxmemory=1_000_000_000)) == answer


def test_the_stated_fragmentation_counts():
    server = a_manifest(limit=2 * GIB, maxmemory=1500 * MIB)
    assert status(RULE, server, fragmentation_ratio=1.3) == "pass"
    assert status(RULE, server, fragmentation_ratio=1.4) == "fail"


def test_what_others_hold_of_a_shared_limit_counts():
    parent = a_level("/sys/fs/cgroup/all", memory_max=3 * GIB, memory_current=3 * GIB - 200 * MIB)
    server = a_server(cgroup=a_cgroup(a_level(), parent))
    assert status(RULE, server) == "fail"
    assert "of others" in ask(RULE, server).message


def test_a_declared_maxmemory_is_judged_too():
    assert status(RULE, a_manifest(limit=GIB, maxmemory=0, declared=declares(maxmemory=GIB))) == "fail"


@pytest.mark.parametrize("maxmemory", [0, UNREAD])
def test_other_rules_speak_of_a_maxmemory_that_is_none_or_unread(maxmemory):
    assert ask(RULE, a_manifest(maxmemory=maxmemory)) is None
    assert ask(RULE, a_manifest(limit=UNLIMITED)) is None


@pytest.mark.parametrize("server", [a_manifest(limit=GIB, maxmemory=GIB), a_server(config=a_config(maxmemory=2 * GIB))])
def test_each_of_the_two_numbers_of_the_remedy_is_enough(server):
    finding = ask(RULE, server)
    for followed in (with_limit(server, limit_in(finding)), with_maxmemory(server, maxmemory_in(finding))):
        assert status(RULE, followed) == "pass"
        assert status("expected-peak-over-limit", followed) == "pass"
        assert status("peak-at-maxmemory", followed) in ("pass", None)


def test_a_limit_too_small_for_any_maxmemory_is_to_be_raised():
    finding = ask(RULE, a_manifest(limit=1000, maxmemory=MIB))
    assert "maxmemory" not in finding.remedy
    assert status(RULE, a_manifest(limit=limit_in(finding), maxmemory=MIB)) == "pass"
