"""The metrics page as a whole, beside its golden file; and what it leaves out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from checker.agent.book import Book, Fork, Labels
from checker.agent.seen import Scan, Seen
from checker.agent.troubles import Probe, Troubles
from checker.estimate.binding import binding_limit
from checker.facts import UNLIMITED, Server, Unread, WatchedFork
from checker.metrics import View, exposition
from checker.rules import judge
from checker.units import MIB
from tests.agent.running import parse
from tests.build import UNREAD, a_cgroup, a_config, a_level, a_node, a_process, a_server, an_info

REPOSITORY = Path(__file__).parents[2]
NAMED = Labels("shop", "cache-0", "redis", "redis-server *:6379")
PLAIN = Labels("", "", "", "redis-server 127.0.0.1:6380")


def seen(server: Server, labels: Labels = NAMED, **changed: Any) -> Seen:
    verdict = judge(server, a_node())
    binding = binding_limit(server, a_node())
    one = Seen(
        key=(4711, 1000),
        labels=labels,
        verdict=verdict,
        write_rate="assumed",
        limit=binding.limit.value,
        held_bytes=binding.held_bytes,
        predicted_copy_bytes=None if verdict.estimate is None else verdict.estimate.cow_expected_bytes,
        child_pid=None,
        answers=None,
        scanned_at=1_800_000_000.5,
    )
    return replace(one, **changed)


def view(*all_seen: Seen, **changed: Any) -> View:
    scan = Scan(
        node=a_node(),
        seen=all_seen,
        hanging=0,
        left_out=0,
        processes=412,
        seconds=0.025,
        cpu_seconds=0.02,
        ended_at=1_800_000_000.5,
    )
    made = View(scan=scan, histories={}, living=frozenset(), troubles=Counter())
    return replace(made, **changed)


def a_fork(**changed: Any) -> Fork:
    fork = Fork(
        cause="rdb",
        result="saved",
        seconds=2.5,
        ended_at=1_799_999_000.25,
        copied_bytes=50 * MIB,
        predicted_bytes=51 * MIB,
        lesson=WatchedFork(
            resident_bytes=400 * MIB, copied_bytes=50 * MIB, seconds=2.5, lifetime_seconds=2.5, writes=None
        ),
    )
    return replace(fork, **changed)


def page(made: View) -> str:
    """Without what differs from machine to machine: the version line, and the process' own cost."""
    lines = exposition(made).decode().splitlines()
    kept = [line for line in lines if not re.match(r"(?:# \w+ )?process_|bgsafe_build_info\{", line)]
    return "\n".join(kept) + "\n"


def whole_view() -> View:
    book = Book()
    book.present(frozenset({NAMED, PLAIN}), 0.0)
    for fork in (
        a_fork(),
        a_fork(predicted_bytes=75 * MIB),
        a_fork(result="killed", cause="aof"),
        a_fork(cause="other"),
    ):
        book.add(NAMED, fork)
    asked = replace(a_server(), info=an_info(write_rate_per_second=2500.0), forks=book.lessons(NAMED))
    alone = a_server(cgroup=a_cgroup(a_level(memory_max=UNLIMITED)))
    return view(
        seen(asked, write_rate="measured", answers=True),
        seen(alone, PLAIN, key=(99, 5)),
        histories=book.copy(),
        living=frozenset({(99, 5)}),
        troubles=Counter({"info": 3, "hanging": 1}),
        facts_published_at=1_799_999_999.0,
    )


def test_the_page(golden: Callable[[str, str], None]) -> None:
    golden("agent_metrics.txt", page(whole_view()))


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
def test_promtool_finds_nothing_wrong() -> None:
    checked = subprocess.run(["promtool", "check", "metrics"], input=page(whole_view()), capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_every_metric_is_documented_and_every_documented_metric_is_there() -> None:
    documented = set(re.findall(r"`(bgsafe_\w+)`", (REPOSITORY / "docs/agent.md").read_text()))
    names = {line.split()[2] for line in exposition(whole_view()).decode().splitlines() if line.startswith("# TYPE")}
    assert {name for name in names if name.startswith("bgsafe_")} == documented


def names(made: View) -> set[str]:
    return {each.name for each in parse(page(made))}


def test_a_fact_that_is_not_known_has_no_series() -> None:
    hidden = Unread("/proc/1/status", "gone")
    server = a_server(process=a_process(rss_anon=hidden), cgroup=UNREAD, config=a_config(maxmemory=UNREAD))
    published = names(view(seen(server)))
    assert "bgsafe_verdict" in published
    for name in ("server_resident_bytes", "server_memory_limit_bytes", "fork_peak_bytes", "write_budget_per_second"):
        assert f"bgsafe_{name}" not in published


def test_no_limit_is_infinite_and_no_budget() -> None:
    alone = a_server(cgroup=a_cgroup(a_level(memory_max=UNLIMITED)))
    found = {each.name: each.value for each in parse(page(view(seen(alone))))}
    assert found["bgsafe_server_memory_limit_bytes"] == float("inf")
    assert "bgsafe_write_budget_per_second" not in found
    assert "bgsafe_fork_headroom_bytes" not in found


def test_before_the_first_scan_the_page_says_who_it_is() -> None:
    text = exposition(View(scan=None, histories={}, living=frozenset(), troubles=Counter())).decode()
    assert "bgsafe_build_info{" in text
    assert "bgsafe_scan_timestamp_seconds" not in text


def test_errors_are_counted_from_zero_on() -> None:
    """An alert on an increase does not see a counter that begins at 1."""
    text = page(view(troubles=Troubles().counts()))
    for probe in get_args(Probe):
        assert f'bgsafe_scan_errors_total{{probe="{probe}"}} 0.0' in text
