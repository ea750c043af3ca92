"""Counting written pages: the bits of a pagemap, and what is said where the kernel does not keep them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from checker.facts import Unread, Written
from checker.probes import soft_dirty
from checker.probes.observe import observe

PAGE = 4096
PRESENT, SHARED, DIRTY = 1 << 63, 1 << 61, 1 << 55
FRAME = 0x7F_FFFF_FFFF_FFFF  # all bits of the frame number: none of them may be taken for a flag


@pytest.mark.parametrize(
    ("entries", "count"),
    [
        pytest.param([], 0, id="no page"),
        pytest.param([PRESENT | DIRTY], 1, id="written"),
        pytest.param([PRESENT | DIRTY | FRAME], 1, id="written, every bit of the frame set"),
        pytest.param([PRESENT | FRAME], 0, id="only read"),
        pytest.param([DIRTY], 0, id="not present"),
        pytest.param([PRESENT | SHARED | DIRTY], 0, id="of a file"),
        pytest.param([PRESENT | DIRTY, 0, PRESENT, PRESENT | DIRTY], 2, id="several"),
    ],
)
def test_only_present_anonymous_soft_dirty_pages_count(entries: list[int], count: int) -> None:
    assert soft_dirty.count_dirty(struct.pack(f"<{len(entries)}Q", *entries)) == count


def test_only_private_writable_mappings_are_counted(tmp_path: Path) -> None:
    proc = tmp_path / "proc/7"
    proc.mkdir(parents=True)
    (proc / "maps").write_text(
        "00001000-00003000 rw-p 00000000 00:00 0 [heap]\n"
        "00003000-00004000 r--p 00000000 00:00 0 \n"
        "00004000-00005000 rw-s 00000000 00:00 0 \n"
    )
    (proc / "pagemap").write_bytes(struct.pack("<6Q", *([PRESENT | DIRTY] * 6)))
    assert soft_dirty._dirty_pages(proc, PAGE) == 2


def test_a_process_is_measured_or_the_kernel_is_named() -> None:
    own = bytearray(64 * PAGE)

    def write(_seconds: float) -> None:
        own[:: PAGE // 2] = b"x" * (len(own) // (PAGE // 2))

    answer = soft_dirty.measure(Path("/"), [os.getpid()], 0.01, page=PAGE, sleep=write)[os.getpid()]
    if soft_dirty.refusal() is None:
        assert isinstance(answer, Written)
        assert answer.bytes >= 64 * PAGE
    else:
        assert isinstance(answer, Unread)
        assert "soft-dirty" in answer.why
        assert "CONFIG_MEM_SOFT_DIRTY" in answer.remedy


def test_where_nothing_can_be_counted_the_rest_is_seen_and_the_reason_said() -> None:
    if soft_dirty.refusal() is None:
        pytest.skip("this kernel tracks soft-dirty pages, so there is nothing to refuse")
    tree = Path(__file__).parents[1] / "fixtures/proc_redis_7.0_v1_cgroup"
    (server,) = observe(tree, measure_seconds=0.01).servers
    assert isinstance(server.written, Unread)
    assert server.written in server.unread
    assert server.process is not None
