import pytest

from checker.facts import Population
from checker.units import KIB, MIB
from tests.build import NEVER_FORKS, UNREAD, a_config, a_server, an_engine, an_info
from tests.rules.asking import ask, status, verdict_on

RULE = "child-copies-values"
VALKEY = an_engine(name="valkey", version="8.1.1")


def valkey(value_bytes=None, **changed):
    shape = () if value_bytes is None else (Population(400 * MIB // value_bytes, value_bytes, 16),)
    return a_server(**{"engine": VALKEY, "shape": shape, **changed})


@pytest.mark.parametrize(
    ("value_bytes", "answer"),
    [
        pytest.param(8 * KIB, "pass", id="8 KiB: the static buffer suffices"),
        pytest.param(8 * KIB + 1, "warn", id="one byte more"),
        pytest.param(32 * KIB, "warn", id="32 KiB: the largest cached class"),
        pytest.param(32 * KIB + 1, "pass", id="one byte beyond it"),
    ],
)
def test_the_child_copies_values_of_these_sizes(value_bytes, answer):
    assert status(RULE, valkey(value_bytes)) == answer


def test_what_the_child_copies_is_in_the_expected_case():
    estimate = verdict_on(valkey(12 * KIB), write_rate_per_second=0).estimate
    assert estimate.cow_expected_bytes > 0.9 * estimate.resident_bytes


def test_with_rdbcompression_no_as_the_remedy_says_it_passes():
    server = valkey(12 * KIB)
    assert ask(RULE, server).remedy == "set rdbcompression no"
    followed = valkey(12 * KIB, config=a_config(rdbcompression=False))
    assert status(RULE, followed) == "pass"
    assert verdict_on(followed, write_rate_per_second=0).estimate.cow_expected_bytes < 4 * MIB


def test_without_a_sample_it_is_unknown_unless_the_average_tells():
    assert status(RULE, valkey()) == "unknown"
    assert status(RULE, valkey(info=an_info(used_memory_dataset=400 * MIB, keys=40_000))) == "warn"


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(an_engine(), id="redis 7.2"),
        pytest.param(an_engine(name="valkey", version="8.0.4"), id="valkey 8.0"),
        pytest.param(an_engine(name="valkey", version="9.0.0", allocator="libc"), id="glibc malloc"),
        pytest.param(an_engine(name="valkey", version=UNREAD), id="version unread"),
    ],
)
def test_other_servers_are_not_asked(engine):
    assert ask(RULE, valkey(12 * KIB, engine=engine)) is None


def test_a_server_that_never_forks_is_not_asked():
    assert ask(RULE, valkey(12 * KIB, config=a_config(**NEVER_FORKS))) is None
