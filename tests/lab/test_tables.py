from typing import TYPE_CHECKING

from checker.facts import Unread
from checker.lab.results import Results
from checker.lab.tables import mib, one_line, percent, table, to_text

if TYPE_CHECKING:
    from conftest import Make


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table([("a", "b"), ("long", "12")]) == ["a      b", "long  12"]


def test_nothing_is_a_dash_and_zero_is_zero() -> None:
    assert (mib(None), mib(0), percent(None), percent(0.0)) == ("-", "0.0", "-", "0.0%")
    assert percent(-0.123, signed=True) == "-12.3%"


def test_the_text_says_what_was_wrong_and_what_was_not_tried(make: "Make") -> None:
    runs = (make.recorded(110), make.live(90, "safe", "server killed"))
    text = to_text(Results(runs, (Unread("/sys/fs/cgroup", "read-only", "run as root"),)))
    assert "+10.0%" in text
    assert "server killed  WRONG" in text
    assert "Called safe, and then killed or not saved: 1 (must be 0)" in text
    assert "not tried: /sys/fs/cgroup: read-only (run as root)" in text
    assert "exit status -9" in text


def test_without_a_limit_there_is_no_table_of_outcomes(make: "Make") -> None:
    assert "With a memory limit" not in to_text(Results((make.live(100, "risky", "saved", limit_bytes=None),)))


def test_a_single_run_sets_predicted_beside_measured(make: "Make") -> None:
    text = to_text(Results((make.live(90, "risky", "saved"),)))
    assert "  copied                       90 B     100 B\n" in text
    assert "  memory limit                350 B\n" in text
    assert "  outcome                     risky     saved\n" in text


def test_a_killed_server_measured_no_copy(make: "Make") -> None:
    text = to_text(Results((make.live(90, "unsafe", "server killed"),)))
    assert "  writes during the save         60              -\n" in text


def test_one_line_says_how_it_ended(make: "Make") -> None:
    assert one_line(make.live(90, "unsafe", "server killed")).endswith("server killed")
    assert "copied 100 B, predicted 90 B" in one_line(make.recorded(90))
