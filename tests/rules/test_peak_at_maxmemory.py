import pytest

from checker.units import GIB, MIB
from tests.build import NEVER_FORKS, a_config, a_manifest, a_server, an_info, holding, with_limit, with_maxmemory
from tests.rules.asking import ask, limit_in, maxmemory_in, status, verdict_on

RULE = "peak-at-maxmemory"


def growing(maxmemory, **changed):
    return a_server(config=a_config(maxmemory=maxmemory), **changed)


@pytest.mark.parametrize("size", [2 * MIB, 400 * MIB, 1200 * MIB])
def test_each_of_the_two_numbers_of_the_remedy_is_enough(size):
    server = growing(1700 * MIB, **holding(size))
    finding = ask(RULE, server)
    assert finding.status == "warn"
    assert status(RULE, with_limit(server, limit_in(finding))) == "pass"
    assert status(RULE, with_maxmemory(server, maxmemory_in(finding))) == "pass"
    assert status(RULE, with_maxmemory(server, maxmemory_in(finding) + 2 * MIB)) == "warn"


def test_a_save_at_maxmemory_is_that_of_a_server_which_has_grown_to_it():
    grown = verdict_on(a_server(**holding(1100 * MIB), config=a_config(maxmemory=0))).estimate.peak_expected_bytes
    limit = with_limit(growing(1000 * MIB), grown + 2 * MIB)
    assert status(RULE, limit) == "pass"
    assert status(RULE, with_limit(growing(1000 * MIB), grown - 2 * MIB)) == "warn"


def test_the_last_save_of_a_small_server_does_not_make_a_large_one_slow():
    """0 whole seconds may be 12 ms: scaled up from a second, 1 GB would take ten minutes."""
    server = growing(GIB, **holding(8 * MIB), info=an_info(rdb_last_bgsave_time_sec=0, used_memory=6 * MIB))
    assert status(RULE, server) == "pass"


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(a_manifest(), id="a manifest is judged at maxmemory already"),
        pytest.param(growing(0), id="nothing bounds it"),
        pytest.param(growing(MIB), id="it is larger already"),
        pytest.param(a_server(config=a_config(**NEVER_FORKS)), id="it never forks"),
    ],
)
def test_it_does_not_ask_where_there_is_nothing_to_grow_to(server):
    assert ask(RULE, server) is None
