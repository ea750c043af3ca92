import pytest

from checker.facts import UNLIMITED
from checker.units import GIB, MIB
from tests.build import NEVER_FORKS, UNREAD, a_cgroup, a_config, a_level, a_manifest, a_server
from tests.rules.asking import ask, size_in, status, verdict_on

RULE = "memory-high-throttles"


def high(size, *above, **changed):
    return a_server(cgroup=a_cgroup(a_level(memory_high=size), *above), **changed)


def test_the_expected_peak_may_equal_memory_high_and_not_pass_it():
    peak = verdict_on(a_server()).estimate.peak_expected_bytes
    assert status(RULE, high(peak)) == "pass"
    assert status(RULE, high(peak - 1)) == "warn"


def test_with_the_memory_high_of_the_remedy_nothing_is_throttled():
    assert status(RULE, high(size_in(ask(RULE, high(410 * MIB))))) == "pass"


def test_the_level_with_least_room_decides():
    parent = a_level("/sys/fs/cgroup/all", memory_max=UNLIMITED, memory_high=4 * GIB, memory_current=4 * GIB - MIB)
    assert status(RULE, high(GIB)) == "pass"
    assert status(RULE, high(GIB, parent)) == "warn"


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(high(UNLIMITED), id="no memory.high"),
        pytest.param(high(UNREAD), id="unread"),
        pytest.param(high(MIB, config=a_config(**NEVER_FORKS)), id="no fork"),
        pytest.param(a_manifest(), id="not running"),
        pytest.param(a_server(cgroup=UNREAD), id="no cgroup"),
    ],
)
def test_it_does_not_ask_where_nothing_throttles(server):
    assert ask(RULE, server) is None
