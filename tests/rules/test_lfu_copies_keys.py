import pytest

from tests.build import NEVER_FORKS, UNREAD, a_config, a_server, an_engine
from tests.rules.asking import ask, status, verdict_on

RULE = "lfu-copies-keys"
VALKEY = an_engine(name="valkey", version="9.1.2")


def valkey(policy="allkeys-lfu", engine=VALKEY, **config):
    return a_server(engine=engine, config=a_config(maxmemory_policy=policy, **config))


@pytest.mark.parametrize(
    ("policy", "answer"),
    [("allkeys-lfu", "warn"), ("volatile-lfu", "warn"), ("allkeys-lru", "pass"), ("noeviction", "pass")],
)
def test_lfu_policies_are_warned_of(policy, answer):
    assert status(RULE, valkey(policy)) == answer


def test_a_policy_that_was_not_read_is_unknown():
    assert status(RULE, valkey(UNREAD)) == "unknown"


def test_what_the_child_copies_is_in_the_expected_case():
    estimate = verdict_on(valkey(), write_rate_per_second=0).estimate
    assert estimate.cow_expected_bytes >= estimate.resident_bytes


def test_with_an_lru_policy_as_the_remedy_says_it_passes_and_copies_nothing():
    assert "allkeys-lru" in (ask(RULE, valkey()).remedy or "")
    followed = verdict_on(valkey("allkeys-lru"), write_rate_per_second=0).estimate
    assert followed.cow_expected_bytes < 0.02 * followed.resident_bytes


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(an_engine(), id="redis 7.2"),
        pytest.param(an_engine(name="redis", version="8.0.6"), id="redis 8.0"),
        pytest.param(an_engine(name="valkey", version="8.1.1"), id="valkey 8.1"),
    ],
)
def test_other_servers_are_not_asked(engine):
    assert ask(RULE, valkey(engine=engine)) is None


def test_a_server_that_never_forks_is_not_asked():
    assert ask(RULE, valkey(**NEVER_FORKS)) is None
