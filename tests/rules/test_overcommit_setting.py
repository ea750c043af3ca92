import pytest

from tests.build import UNREAD, a_manifest, a_node, a_server
from tests.rules.asking import ask, verdict_on

RULE = "overcommit-setting"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"overcommit_memory": 1}, "does not protect against the memory limit", id="mode 1"),
        pytest.param({"overcommit_memory": 2}, "1.00 GiB of 8.00 GiB are committed", id="mode 2"),
        pytest.param({"overcommit_memory": 0}, "larger than RAM and swap (16.0 GiB)", id="mode 0"),
        pytest.param({"overcommit_memory": 0}, "does not matter here", id="mode 0, the warning"),
        pytest.param({"overcommit_memory": 0, "kernel_release": "5.2.0"}, "does not matter", id="mode 0 on 5.2"),
        pytest.param({"overcommit_memory": 0, "kernel_release": "5.1.9"}, "may matter", id="mode 0 before 5.2"),
        pytest.param({"overcommit_memory": 0, "kernel_release": UNREAD}, "may matter", id="mode 0, kernel unread"),
        pytest.param({"overcommit_memory": 2, "commit_limit": UNREAD}, "an unread amount", id="mode 2, unread"),
    ],
)
def test_it_says_what_the_mode_means_on_this_machine(changed, said):
    finding = ask(RULE, a_server(), a_node(**changed))
    assert finding.status == "pass"
    assert said in finding.message


def test_without_a_mode_there_is_nothing_to_explain():
    assert ask(RULE, a_manifest()) is None
    assert ask(RULE, a_server(), a_node(overcommit_memory=UNREAD)) is None
    assert ask(RULE, a_server(), a_node(overcommit_memory=7)) is None
    assert verdict_on(a_server(), a_node(overcommit_memory=7)).grade == "unknown"
