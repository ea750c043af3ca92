import pytest

from checker.units import KIB, MIB
from tests.build import NEVER_FORKS, UNREAD, a_config, a_manifest, a_node, a_process, a_server
from tests.rules.asking import ask, status, verdict_on

RULE = "huge-page-copies"


@pytest.mark.parametrize(
    ("release", "copied"),
    [
        pytest.param("5.7.19", "2.00 MiB", id="before 5.8: a huge page"),
        pytest.param("5.8.0", None, id="since 5.8: a base page"),
    ],
)
def test_a_write_copies_a_huge_page_only_before_5_8(release, copied):
    finding = ask(RULE, a_server(), a_node(kernel_release=release, thp_enabled="always"))
    assert finding.status == "warn"
    assert (copied or "one page") in finding.message


@pytest.mark.parametrize("thp", ["madvise", "never"])
def test_with_the_mode_of_the_remedy_it_passes_on_any_kernel(thp):
    for release in ("4.18.0-553.el8", "5.7.19", "6.1.0"):
        assert status(RULE, a_server(), a_node(kernel_release=release, thp_enabled=thp)) == "pass"


def test_disable_thp_keeps_an_old_kernel_from_copying_huge_pages():
    server = a_server(process=a_process(thp_enabled=False))
    node = a_node(kernel_release="5.7.19", thp_enabled="always")
    assert status(RULE, server, node) == "pass"
    assert verdict_on(server, node).estimate.cow_expected_bytes < 100 * MIB


@pytest.mark.parametrize(
    ("page", "answer"), [pytest.param(4 * KIB, "pass", id="4 KiB"), pytest.param(16 * KIB, "warn", id="16 KiB")]
)
def test_larger_base_pages_are_named(page, answer):
    assert status(RULE, a_server(), a_node(page_size_bytes=page)) == answer


@pytest.mark.parametrize(
    "node",
    [
        pytest.param(a_node(kernel_release="5.4.0", thp_enabled=UNREAD), id="the mode of an old kernel"),
        pytest.param(a_node(kernel_release=UNREAD, thp_enabled="always"), id="the kernel"),
        pytest.param(a_node(kernel_release="custom", thp_enabled="always"), id="a release that says nothing"),
    ],
)
def test_what_decides_may_be_unread(node):
    assert status(RULE, a_server(), node) == "unknown"


def test_an_unread_mode_does_not_matter_on_a_new_kernel():
    assert status(RULE, a_server(), a_node(thp_enabled=UNREAD)) == "pass"


def test_it_does_not_ask_without_a_machine_or_a_fork():
    assert ask(RULE, a_manifest()) is None
    assert ask(RULE, a_server(config=a_config(**NEVER_FORKS))) is None
