import re

import pytest

from tests.build import NEVER_FORKS, UNREAD, a_cgroup, a_child, a_config, a_manifest, a_process, a_server
from tests.rules.asking import ask, status

RULE = "pids-limit"


def taken(current, limit, **changed):
    return a_server(cgroup=a_cgroup(pids_max=limit, pids_current=current), **changed)


@pytest.mark.parametrize(
    ("current", "answer"),
    [
        pytest.param(99, "pass", id="room for one"),
        pytest.param(100, "fail", id="room for none"),
        pytest.param(101, "fail", id="over it already"),
    ],
)
def test_a_fork_needs_one_pid(current, answer):
    assert status(RULE, taken(current, 100)) == answer


def test_the_child_of_this_moment_will_have_gone():
    assert status(RULE, taken(100, 100, process=a_process(child=a_child()))) == "pass"


def test_the_pids_max_that_the_remedy_names_is_enough():
    finding = ask(RULE, taken(100, 100))
    raised = int(re.search(r"to (\d+)", finding.remedy)[1])
    assert status(RULE, taken(100, raised)) == "pass"
    assert status(RULE, taken(100, raised - 1)) == "fail"


def test_a_count_that_was_not_read_is_unknown():
    assert status(RULE, taken(UNREAD, 100)) == "unknown"
    assert status(RULE, taken(100, UNREAD)) == "unknown"


def test_it_does_not_ask_of_a_server_that_never_forks_or_does_not_run():
    assert ask(RULE, taken(100, 100, config=a_config(**NEVER_FORKS))) is None
    assert ask(RULE, a_manifest()) is None
