"""One scan: labels, the maximum, what is read once, and what is never read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker.agent import scan as scans
from checker.agent.book import Book, Fork, Labels
from checker.agent.scan import Scanner, _Kept
from checker.agent.seen import Key, Names
from checker.agent.targets import OTHERS_BYTES, target_of
from checker.agent.troubles import Troubles
from checker.facts import Child, Node, Unread, WatchedFork
from checker.policy import Policy
from checker.probes.node import read as read_node
from checker.probes.proc import Status, read_stat
from checker.probes.redis_info import Answer
from checker.probes.servers import Found
from checker.units import GIB, MIB
from tests.agent.test_metrics import seen
from tests.build import a_cgroup, a_child, a_level, a_process, a_server, an_engine

FIXTURES = Path(__file__).parents[1] / "fixtures"


class Nobody:
    """Knows no names, asks nobody, and sees no forks."""

    def names(self, pod_uid: str | None, container_id: str | None) -> Names | None:
        return None

    def place(self, found: Any, root: Path, uptime: Any) -> None:
        pass

    def answer(self, found: Found) -> tuple[bool, Answer | None] | None:
        return None

    def child(self, key: Key) -> Child | None:
        return None


def scanner(root: Path, **changed: Any) -> Scanner:
    nobody = Nobody()
    fields: dict[str, Any] = {
        "root": root,
        "policy": Policy(),
        "book": Book(),
        "troubles": Troubles(),
        "asking": nobody,
        "watching": nobody,
        "naming": nobody,
        "most_servers": 256,
    }
    return Scanner(**{**fields, **changed})


TREES = sorted(path for path in FIXTURES.iterdir() if (path / "proc").is_dir())


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_a_captured_machine_gives_the_verdicts_of_bgsafe_node(tree: Path) -> None:
    from checker.probes.observe import observe
    from checker.rules import judge_all

    once = observe(tree)
    by_node = {verdict.server.subject.pid: verdict.grade for verdict in judge_all(once.servers, once.node)}
    scanned = scanner(tree).scan()
    assert {each.key[0]: each.verdict.grade for each in scanned.seen} == by_node


def test_without_names_the_cgroup_path_says_which_pod() -> None:
    (tree,) = [tree for tree in TREES if tree.name == "cgroup_v2_kubernetes"]
    found = scanner(tree).scan().seen
    assert found
    assert any(re.fullmatch(r"[0-9a-f-]{32,36}", each.labels.pod) for each in found)
    assert all(re.fullmatch(r"[0-9a-f]{64}", each.labels.container) for each in found)


def test_names_take_the_place_of_ids() -> None:
    class Named(Nobody):
        def names(self, pod_uid: str | None, container_id: str | None) -> Names | None:
            return Names("shop", "cache-0", "redis") if pod_uid else None

    (tree,) = [tree for tree in TREES if tree.name == "cgroup_v2_kubernetes"]
    for plain, named in zip(scanner(tree).scan().seen, scanner(tree, naming=Named()).scan().seen, strict=True):
        assert named.labels[:3] == (("shop", "cache-0", "redis") if plain.labels.pod else plain.labels[:3])


def test_two_servers_with_the_same_labels_are_told_apart() -> None:
    one = scanner(Path("/"))
    twins = []
    for pid in (10, 11):
        stat = replace(a_stat(), start_time_ticks=pid)
        twins.append((Found(pid, "redis", "/usr/bin/redis-server", "redis-server", b"", stat), a_server()))
    assert [labels.server for labels in one._labelled(twins)] == [
        "redis-server :6379 pid 10",
        "redis-server :6379 pid 11",
    ]


def a_stat() -> Any:
    return read_stat(Path("/proc/self"))


def test_more_servers_than_the_maximum_are_left_out_and_that_is_said() -> None:
    (tree,) = [tree for tree in TREES if tree.name == "proc_redis_7.0_v1_cgroup"]
    one = scanner(tree, most_servers=0)
    scanned = one.scan()
    assert (scanned.seen, scanned.left_out) == ((), 1)
    assert +one.troubles.counts() == {"limit": 1}


def test_configuration_is_read_once_and_again_after_a_save(monkeypatch: pytest.MonkeyPatch) -> None:
    (tree,) = [tree for tree in TREES if tree.name == "proc_redis_7.0_v1_cgroup"]
    reads: list[int] = []
    plain: Callable[..., Any] = scans.known_of
    monkeypatch.setattr(scans, "known_of", lambda *arguments: (reads.append(1), plain(*arguments))[1])
    one = scanner(tree)
    first = one.scan()
    one.scan()
    assert len(reads) == 1
    one.forget(first.seen[0].key)
    one.scan()
    assert len(reads) == 2


def test_a_policy_that_changes_counts_in_the_next_scan() -> None:
    (tree,) = [tree for tree in TREES if tree.name == "proc_redis_7.0_v1_cgroup"]
    one = scanner(tree)
    before = one.scan().seen[0].verdict.estimate
    one.policy = Policy(write_rate_per_second=77.0)
    after = one.scan().seen[0].verdict.estimate
    assert before is not None
    assert after is not None
    assert (before.write_rate_per_second, after.write_rate_per_second) == (1000.0, 77.0)


def test_watched_forks_change_the_prediction_at_once_and_the_verdict_only_upwards() -> None:
    (tree,) = [tree for tree in TREES if tree.name == "proc_redis_7.0_v1_cgroup"]
    one = scanner(tree)
    first = one.scan().seen[0]
    assert first.verdict.estimate is not None
    lesson = WatchedFork(
        resident_bytes=first.verdict.estimate.resident_bytes,
        copied_bytes=0,
        seconds=10.0,
        lifetime_seconds=10.0,
        writes=None,
    )
    quiet = Fork(
        cause="rdb", result="saved", seconds=10.0, ended_at=1.0, copied_bytes=0, predicted_bytes=1, lesson=lesson
    )
    one.book.add(first.labels, quiet)
    second = one.scan().seen[0]
    assert second.write_rate == "observed"
    assert second.predicted_copy_bytes is not None
    assert first.predicted_copy_bytes is not None
    assert second.predicted_copy_bytes < first.predicted_copy_bytes
    assert second.verdict.estimate is not None
    assert second.verdict.estimate.cow_expected_bytes >= first.verdict.estimate.cow_expected_bytes


@pytest.mark.parametrize(
    ("resident", "reads"), [(GIB, 1), (GIB + 1024, 0)], ids=["small enough", "a kibibyte too large"]
)
def test_smaps_of_a_large_server_is_never_read(
    resident: int, reads: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Mode 2 with hardly any room: every mapping counts."""
    node: Node = replace(
        read_node(Path("/"))[0], overcommit_memory=2, commit_limit=GIB, committed_as=GIB, admin_reserve_kbytes=0
    )
    asked: list[Path] = []
    monkeypatch.setattr(scans.proc, "read_vmas", lambda directory, *_: (asked.append(directory), ())[1])
    status = Status({"VmSize": f"{8 * GIB // 1024} kB", "RssAnon": f"{resident // 1024} kB"}, "status")
    found = Found(10, "redis", "redis-server", "redis-server", b"", a_stat())
    kept = _Kept()
    one = scanner(Path("/"))
    answers = [one._vmas(found, kept, tmp_path, node, status) for _ in range(3)]
    assert len(asked) == reads, "and of a small one not in every scan"
    if not reads:
        assert isinstance(answers[0], Unread)
        assert "bgsafe node --pid 10" in answers[0].remedy


def test_a_server_that_hangs_before_anything_was_read_is_not_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    (tree,) = [tree for tree in TREES if tree.name == "proc_redis_7.0_v1_cgroup"]
    one = scanner(tree)
    monkeypatch.setattr(one.lanes, "read", lambda _key, where, _function: Unread(where, "hangs"))
    monkeypatch.setattr(one._registrar, "take", scanner(tree)._registrar.take)
    scanned = one.scan()
    (only,) = scanned.seen
    assert only.verdict.grade in ("unknown", "unsafe", "risky")
    assert isinstance(only.server.config.maxmemory, Unread)
    assert one.troubles.counts()["hanging"] == 1


# --- what the watcher is told ----------------------------------------------------------------------------------------


def others(**level: Any) -> int | None:
    target = target_of(seen(a_server(cgroup=a_cgroup(a_level(**level)))))
    assert target is not None
    return target.others_bytes


@pytest.mark.parametrize(
    ("anon", "expected"),
    [
        (400 * MIB, 0),
        (410 * MIB, 10 * MIB),
        (390 * MIB, -10 * MIB),
        (480 * MIB, 80 * MIB),
        (481 * MIB, None),
        (Unread("memory.stat", "gone"), None),
    ],
    ids=["alone", "a small sidecar", "charged elsewhere", "just few enough", "too many others", "not read"],
)
def test_copies_are_counted_in_the_cgroup_where_the_server_is_nearly_alone(anon: Any, expected: int | None) -> None:
    assert others(anon=anon) == expected
    assert OTHERS_BYTES < 80 * MIB


def test_what_the_cgroup_holds_while_a_child_lives_is_no_base_to_count_from() -> None:
    target = target_of(seen(a_server(process=a_process(child=a_child()))))
    assert target is not None
    assert target.others_bytes is None


def test_a_server_that_cannot_fork_is_not_watched() -> None:
    assert target_of(seen(a_server(engine=an_engine(name="dragonfly", forks=False)))) is None


def test_labels_are_where_they_were() -> None:
    assert Labels._fields == ("namespace", "pod", "container", "server")
