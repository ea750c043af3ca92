from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from checker.lab.accuracy import to_markdown, write_accuracy
from checker.lab.results import Results

if TYPE_CHECKING:
    from conftest import Make

TODAY = date(2026, 11, 23)


def test_the_page_says_bars_outcomes_and_how_to_write_it_again(make: "Make") -> None:
    live = Results((make.live(102, "safe", "saved"), make.live(100, "unsafe", "server killed")))
    page = to_markdown(live, None, command="bgsafe verify --suite quick", machine="Linux 6.1", today=TODAY)
    assert "Written on 2026-11-23 by `bgsafe verify --suite quick` on: Linux 6.1." in page
    assert "median 2.0% (bar 3.0%), 95th percentile 2.0% (bar 10.0%): **met**." in page
    assert "| unsafe | server killed |" in page
    assert "Called safe, and then killed or not saved: **0**." in page
    assert "Recorded forks" not in page


def test_a_missed_bar_is_said(make: "Make") -> None:
    recorded = Results((make.recorded(120),))
    page = to_markdown(Results(()), recorded, command="c", machine="m", today=TODAY)
    assert "median 20.0% (bar 3.0%), 95th percentile 20.0% (bar 10.0%): **missed**." in page
    assert "the bar cannot be judged here" in page


def test_every_table_has_as_many_cells_as_headings(make: "Make") -> None:
    live = Results((make.live(102, "safe", "saved"),))
    lines = to_markdown(live, live, command="c", machine="m", today=TODAY).splitlines()
    previous = 0
    for line in lines:
        cells = line.replace("\\|", "").count("|")
        assert not cells or not previous or cells == previous
        previous = cells


def test_the_page_is_written_with_this_machine(make: "Make", tmp_path: Path) -> None:
    path = tmp_path / "accuracy.md"
    write_accuracy(path, Results((make.recorded(100),)), None, command="c", today=TODAY)
    assert " CPUs, " in path.read_text(encoding="utf-8")
