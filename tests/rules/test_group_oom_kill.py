import pytest

from checker.units import GIB, MIB
from tests.build import NEVER_FORKS, UNREAD, a_cgroup, a_config, a_level, a_manifest, a_server, holding, with_limit
from tests.rules.asking import ask, limit_in, status, verdict_on

RULE = "group-oom-kill"


def risky(**changed):
    return a_server(**holding(1500 * MIB), **changed)


def test_a_group_kill_takes_the_server_whatever_its_score():
    for config in (a_config(), a_config(oom_score_adj=True)):
        assert status(RULE, risky(oom_group=True, config=config)) == "warn"


def test_without_a_group_kill_the_server_dies_unless_the_score_sends_the_kernel_to_the_child():
    finding = ask(RULE, risky())
    assert "kills the server, not the child" in finding.message
    assert "oom-score-adj yes" in finding.remedy
    assert status(RULE, risky(config=a_config(oom_score_adj=True))) == "pass"


@pytest.mark.parametrize("short", [0, 1])
def test_nothing_is_killed_where_the_worst_case_fits(short):
    server = a_server(oom_group=True)
    limit = verdict_on(server).estimate.peak_worst_bytes - short
    assert status(RULE, with_limit(server, limit)) == ("warn" if short else "pass")


def test_with_the_limit_of_the_remedy_nothing_is_killed():
    server = risky(oom_group=True)
    assert status(RULE, with_limit(server, limit_in(ask(RULE, server)))) == "pass"


def test_who_dies_may_be_unread():
    assert status(RULE, risky(oom_group=UNREAD)) == "unknown"


def test_it_does_not_ask_without_a_fork_or_a_limit():
    assert ask(RULE, risky(oom_group=True, config=a_config(**NEVER_FORKS))) is None
    assert ask(RULE, a_manifest(limit=UNREAD)) is None


def test_systemd_and_kubernetes_are_told_their_own_words():
    held = holding(1500 * MIB)["cgroup"].levels[0].memory_current
    unit = a_cgroup(a_level("/sys/fs/cgroup/system.slice/redis.service", memory_current=held))
    systemd = a_server(process=holding(1500 * MIB)["process"], cgroup=unit, oom_group=True)
    assert "OOMPolicy=continue in redis.service" in ask(RULE, systemd).remedy
    pod = a_manifest(limit=GIB, maxmemory=800 * MIB)
    assert "singleProcessOOMKill" in ask(RULE, pod).remedy
    alone = a_server(process=holding(1500 * MIB)["process"], cgroup=unit, config=a_config(oom_score_adj=True))
    assert "OOMPolicy=continue" in ask(RULE, alone).message
