"""Granted or refused: the kernel's rule on both sides of each edge, and on every recorded fork."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Maybe, Node, Process, Unread, Vma, major_minor
from checker.model.overcommit import charged_vmas, counter_slack_pages, judge_fork
from checker.units import GIB, KIB, MIB
from tests.recorded import recorded

PAGE = 4096
UNREAD = Unread("/proc/1/smaps", "not read in this test")

NODE = Node(
    kernel_release="6.1.0-56-cloud-amd64",
    page_size_bytes=PAGE,
    cpu_count=1,
    overcommit_memory=0,
    overcommit_ratio=50,
    overcommit_kbytes=0,
    admin_reserve_kbytes=8 * MIB,
    user_reserve_kbytes=128 * MIB,
    mem_total=GIB,
    mem_free=GIB // 2,
    mem_available=GIB // 2,
    swap_total=0,
    swap_free=0,
    commit_limit=GIB // 2,
    committed_as=100 * MIB,
    hugetlb=0,
    guess_free=GIB // 2,
    thp_enabled="madvise",
    thp_defrag="madvise",
)


def a_vma(size: int, flags: str = "ac", start: int = 0x1000, perms: str = "rw-p") -> Vma:
    return Vma(start, size, perms, frozenset(flags.split()), "")


def a_process(*vmas: Vma, vm_size: int | None = None, cap: Maybe[bool] = False) -> Process:
    total = sum(vma.size for vma in vmas) if vm_size is None else vm_size
    return Process(
        pid=1,
        start_time_ticks=0,
        comm="redis-server",
        cmdline=(),
        executable=UNREAD,
        rss_anon=total // 2,
        vm_size=total,
        vm_data=UNREAD,
        vm_stk=UNREAD,
        vm_pte=UNREAD,
        vm_swap=0,
        cap_sys_admin=cap,
        thp_enabled=True,
        oom_score_adj=0,
        vmas=vmas if vmas else UNREAD,
        child=None,
    )


def test_mode_1_never_refuses() -> None:
    node = replace(NODE, overcommit_memory=1)
    assert judge_fork(node, a_process(a_vma(100 * GIB))).outcome == "granted"


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        pytest.param(GIB, "granted", id="as large as RAM"),
        pytest.param(GIB + PAGE, "refused", id="one page larger"),
    ],
)
def test_mode_0_refuses_one_mapping_larger_than_ram_and_swap(size: int, outcome: str) -> None:
    assert judge_fork(NODE, a_process(a_vma(size))).outcome == outcome
    with_swap = replace(NODE, swap_total=512 * MIB)
    assert judge_fork(with_swap, a_process(a_vma(size + 512 * MIB))).outcome == outcome


def test_mode_0_does_not_add_mappings_up() -> None:
    four = [a_vma(GIB * 9 // 10, start=0x1000 + i * GIB) for i in range(4)]
    assert judge_fork(NODE, a_process(*four)).outcome == "granted"


@pytest.mark.parametrize("flags", ["", "nr", "ac dc"], ids=["not accounted", "no reserve", "not copied"])
def test_what_fork_does_not_charge_is_not_refused(flags: str) -> None:
    assert judge_fork(NODE, a_process(a_vma(10 * GIB, flags))).outcome == "granted"


def test_wipe_on_fork_is_charged() -> None:
    assert judge_fork(NODE, a_process(a_vma(2 * GIB, "ac wf"))).outcome == "refused"


def test_a_small_process_needs_no_mappings() -> None:
    """The cheap exit: no mapping can be larger than the whole process."""
    assert judge_fork(NODE, a_process(vm_size=GIB)).outcome == "granted"
    assert judge_fork(NODE, a_process(vm_size=GIB + PAGE)).outcome == "unknown"


def test_maps_without_flags_still_tell_where_no_private_mapping_is_too_large() -> None:
    def maps(size: int, perms: str) -> Process:
        return a_process(Vma(0, size, perms, None, ""), vm_size=3 * GIB)

    assert judge_fork(NODE, maps(GIB, "rw-p")).outcome == "granted"
    assert judge_fork(NODE, maps(2 * GIB, "rw-s")).outcome == "granted"
    assert judge_fork(NODE, maps(2 * GIB, "rw-p")).outcome == "unknown"


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        pytest.param(400 * MIB, "granted", id="below free memory"),
        pytest.param(GIB // 2, "unknown", id="free memory moves"),
        pytest.param(700 * MIB, "refused", id="above free memory"),
    ],
)
def test_before_5_2_mode_0_looks_at_free_memory(size: int, outcome: str) -> None:
    old = replace(NODE, kernel_release="4.19.0-27-amd64")
    assert judge_fork(old, a_process(a_vma(size))).outcome == outcome
    assert judge_fork(replace(old, guess_free=UNREAD), a_process(a_vma(size))).outcome == "unknown"


def test_an_unknown_kernel_is_decided_only_where_old_and_new_agree() -> None:
    node = replace(NODE, kernel_release=Unread("/proc/sys/kernel/osrelease", "not there"))
    assert judge_fork(node, a_process(a_vma(100 * MIB))).outcome == "granted"
    assert judge_fork(node, a_process(a_vma(700 * MIB))).outcome == "unknown"
    assert judge_fork(node, a_process(a_vma(2 * GIB))).outcome == "refused"


MODE_2 = replace(NODE, overcommit_memory=2, user_reserve_kbytes=0)
SLACK = counter_slack_pages(GIB // PAGE, 1) * PAGE


@pytest.mark.parametrize(
    ("cpus", "room", "outcome"),
    [
        pytest.param(1, 4096, "granted", id="one CPU, one page of room: exact"),
        pytest.param(1, 0, "refused", id="one CPU, no room: exact"),
        pytest.param(2, SLACK // 2 + PAGE, "granted", id="two CPUs, beyond the other's slack"),
        pytest.param(2, 0, "unknown", id="two CPUs, no room: the other's slack decides"),
        pytest.param(2, -SLACK // 2 - PAGE, "refused", id="two CPUs, beyond the other's slack below"),
    ],
)
def test_mode_2_adds_up_and_knows_the_counters_slack(cpus: int, room: int, outcome: str) -> None:
    node = replace(MODE_2, cpu_count=cpus, commit_limit=600 * MIB, committed_as=100 * MIB)
    heap = a_vma(600 * MIB - 100 * MIB - 8 * MIB - room)
    fork = judge_fork(node, a_process(heap))
    assert (fork.outcome, fork.charge_bytes, fork.margin_bytes) == (outcome, heap.size, room)


def test_mode_2_with_small_mappings_only_has_the_whole_slack_of_all_cpus() -> None:
    heap = [a_vma(MIB, start=i * MIB) for i in range(1, 101)]
    node = replace(MODE_2, committed_as=100 * MIB, commit_limit=208 * MIB)
    assert judge_fork(node, a_process(*heap)).outcome == "unknown"
    assert judge_fork(replace(node, commit_limit=208 * MIB + SLACK + PAGE), a_process(*heap)).outcome == "granted"
    assert judge_fork(replace(node, commit_limit=208 * MIB - SLACK), a_process(*heap)).outcome == "refused"


def test_the_admin_reserve_is_kept_from_those_without_the_capability() -> None:
    node = replace(MODE_2, commit_limit=600 * MIB, committed_as=100 * MIB)
    heap = a_vma(496 * MIB)
    assert judge_fork(node, a_process(heap, cap=True)).outcome == "granted"
    assert judge_fork(node, a_process(heap, cap=False)).outcome == "refused"
    unread = a_process(heap, cap=Unread("/proc/1/status", "no CapEff"))
    assert judge_fork(node, unread).outcome == "unknown"


def test_the_user_reserve_is_at_most_a_32nd_of_the_process() -> None:
    node = replace(MODE_2, user_reserve_kbytes=128 * MIB, commit_limit=2 * GIB)
    fork = judge_fork(node, a_process(a_vma(640 * MIB), cap=True))
    assert fork.allowed_bytes == 2 * GIB - 20 * MIB


def test_a_server_started_in_mode_0_needs_a_quarter_of_its_heap_for_the_child_in_mode_2() -> None:
    not_charged = a_process(a_vma(36 * MIB), a_vma(900 * MIB, "nr", start=GIB))
    charged = a_process(a_vma(936 * MIB))
    node = replace(MODE_2, commit_limit=4 * GIB)
    assert judge_fork(node, charged).child_needs_bytes == 4 * MIB
    assert judge_fork(node, not_charged).child_needs_bytes == int(not_charged.rss_anon * 0.25)  # type: ignore[operator]


@pytest.mark.parametrize("field", ["commit_limit", "committed_as", "mem_total", "cpu_count", "overcommit_memory"])
def test_mode_2_without_one_of_its_facts_is_unknown(field: str) -> None:
    fork = judge_fork(replace(MODE_2, **{field: Unread(field, "gone")}), a_process(a_vma(MIB)))  # type: ignore[arg-type]
    assert fork.outcome == "unknown"
    assert field in fork.reason


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.1.0-56-cloud-amd64", (6, 1)),
        ("5.2", (5, 2)),
        ("7.2.13+deb14", (7, 2)),
        ("x", None),
        ("", None),
        ("9" * 5000 + ".1", None),
    ],
)
def test_kernel_versions(release: str, version: tuple[int, int] | None) -> None:
    assert major_minor(release) == version


@given(st.integers(0, 2**42), st.integers(0, 2**42), st.integers(1, 512))
def test_more_room_never_turns_a_granted_fork_down(room: int, more: int, cpus: int) -> None:
    order = {"refused": 0, "unknown": 1, "granted": 2}
    process = a_process(a_vma(GIB))
    outcomes = [
        judge_fork(replace(MODE_2, cpu_count=cpus, mem_total=64 * GIB, commit_limit=limit), process).outcome
        for limit in sorted((room, room + more))
    ]
    assert order[outcomes[0]] <= order[outcomes[1]]


# --- recorded forks --------------------------------------------------------------------------------------------------


def recorded_case(case: dict[str, Any]) -> tuple[Node, Process]:
    sys, meminfo, status = case["sys"], case["meminfo"], case["status"]
    node = replace(
        NODE,
        kernel_release=case["release"],
        page_size_bytes=case["page_kb"] * KIB,
        cpu_count=case["ncpu"],
        overcommit_memory=sys["overcommit_memory"],
        admin_reserve_kbytes=sys["admin_reserve_kbytes"] * KIB,
        user_reserve_kbytes=sys["user_reserve_kbytes"] * KIB,
        mem_total=meminfo["MemTotal"] * KIB,
        swap_total=meminfo["SwapTotal"] * KIB,
        commit_limit=meminfo["CommitLimit"] * KIB,
        committed_as=meminfo["Committed_AS"] * KIB,
    )
    capable = bool(int(status["CapEff"], 16) >> 21 & 1) and status.get("init_userns", True)
    vmas = [
        Vma(int(start, 16), size * KIB, perms, frozenset(flags.split()), name)
        for start, size, perms, flags, name in case["vmas"]
    ]
    return node, replace(a_process(*vmas, vm_size=status["VmSize"] * KIB), cap_sys_admin=capable)


def test_no_recorded_fork_is_missed() -> None:
    """Outside the kernel's own slack the predicate is exact: no miss, no false alarm, on four kernels and an arm64."""
    cases = json.loads(recorded("kernel-fork-cases.json").read_text())["cases"]
    score: Counter[tuple[str, str]] = Counter()
    for case in cases:
        if case["call"] != "fork":
            continue
        node, process = recorded_case(case)
        fork = judge_fork(node, process)
        score[fork.outcome, case["observed"]] += 1
        wrong = (fork.outcome, case["observed"]) in (("granted", "refused"), ("refused", "ok"))
        assert not wrong, f"{case['id']} on {case['release']}: {fork}"
        if fork.outcome == "unknown":
            assert abs(fork.margin_bytes or 0) <= case["slack_kb"] * KIB, case["id"]
        cheap = judge_fork(node, replace(process, vmas=UNREAD))
        assert not (cheap.outcome == "granted" and case["observed"] == "refused"), f"cheap exit: {case['id']}"
        assert cheap.outcome != "refused", case["id"]
    decided = sum(count for (outcome, _), count in score.items() if outcome != "unknown")
    assert decided >= 0.75 * score.total(), score


def test_the_charge_is_what_the_kernel_charged() -> None:
    cases = json.loads(recorded("kernel-fork-cases.json").read_text())["cases"]
    checked = 0
    for case in cases:
        if case["call"] == "fork" and case["fork_ok"] and case.get("charged_pages"):
            _, process = recorded_case(case)
            assert not isinstance(process.vmas, Unread)
            charged = charged_vmas(process.vmas)
            assert charged is not None
            assert sum(vma.size for vma in charged) == case["charged_pages"] * 4 * KIB, case["id"]
            checked += 1
    assert checked > 100
