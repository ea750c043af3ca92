import pytest

from checker.facts import UNLIMITED
from tests.build import NEVER_FORKS, UNREAD, a_cgroup, a_config, a_level, a_manifest, a_server, an_info
from tests.rules.asking import ask, status, verdict_on

RULE = "cpu-limit-stretches-save"


@pytest.mark.parametrize(
    ("cores", "answer"),
    [
        pytest.param(1.02, "pass", id="a core for the child beside the writes"),
        pytest.param(0.97, "pass", id="a little less, which nobody notices"),
        pytest.param(0.96, "warn", id="five per cent less"),
        pytest.param(UNLIMITED, None, id="no limit"),
        pytest.param(UNREAD, None, id="unread"),
    ],
)
def test_the_child_wants_a_core_and_a_thousand_writes_take_a_little(cores, answer):
    assert status(RULE, a_manifest(cpu_limit_cores=cores)) == answer


def test_half_a_core_doubles_the_save_and_the_estimate_knows():
    assert "2.1 times" in ask(RULE, a_manifest(cpu_limit_cores=0.5)).message
    slow, fast = (verdict_on(a_manifest(cpu_limit_cores=cores)).estimate for cores in (0.5, UNLIMITED))
    assert slow.save_seconds == pytest.approx(fast.save_seconds / 0.485)
    assert slow.cow_expected_bytes > fast.cow_expected_bytes


def test_a_measured_time_is_not_stretched_again():
    server = a_server(cpu_limit_cores=0.5, info=an_info(rdb_last_bgsave_time_sec=7))
    assert 7 <= verdict_on(server).estimate.save_seconds <= 8
    assert "measured or stated" in ask(RULE, server).message


@pytest.mark.parametrize("rate", [0, 1000, 100_000])
def test_two_cores_as_the_remedy_says_are_enough_at_any_rate(rate):
    assert status(RULE, a_manifest(cpu_limit_cores=2), write_rate_per_second=rate) == "pass"


def test_systemd_is_told_per_cent():
    unit = a_cgroup(a_level("/sys/fs/cgroup/system.slice/redis.service"))
    assert "CPUQuota= of redis.service to 200%" in ask(RULE, a_server(cgroup=unit, cpu_limit_cores=0.5)).remedy


def test_a_server_that_never_forks_is_not_asked():
    assert ask(RULE, a_manifest(cpu_limit_cores=0.1, config=a_config(**NEVER_FORKS))) is None
