"""Size classes and slabs are computed; jemalloc's own documented table and a real allocator say whether rightly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.model.allocators import Allocator, jemalloc_size_class, jemalloc_slab_bytes

PAGE = 4096


@pytest.mark.parametrize(
    ("size", "quantum_16", "quantum_8"),
    [
        pytest.param(1, 8, 8, id="smallest"),
        pytest.param(8, 8, 8, id="tiny class"),
        pytest.param(9, 16, 16, id="one over the tiny class"),
        pytest.param(24, 32, 24, id="dictEntry"),
        pytest.param(33, 48, 40, id="one over 32"),
        pytest.param(64, 64, 64, id="64"),
        pytest.param(65, 80, 80, id="one over 64"),
        pytest.param(128, 128, 128, id="end of the linear classes"),
        pytest.param(129, 160, 160, id="four classes a doubling begin"),
        pytest.param(1025, 1280, 1280, id="one over 1024"),
        pytest.param(14336, 14336, 14336, id="largest small class"),
        pytest.param(14337, 16384, 16384, id="smallest large class"),
        pytest.param(40_006, 40_960, 40_960, id="40 KB"),
    ],
)
def test_size_classes_are_jemallocs(size: int, quantum_16: int, quantum_8: int) -> None:
    assert jemalloc_size_class(size, 16) == quantum_16
    assert jemalloc_size_class(size, 8) == quantum_8


@given(st.integers(1, 2**40), st.sampled_from([8, 16]))
def test_a_class_holds_its_size_and_wastes_at_most_a_quarter(size: int, quantum: int) -> None:
    rounded = jemalloc_size_class(size, quantum)
    assert rounded >= size
    assert jemalloc_size_class(rounded, quantum) == rounded
    if size > 8 * quantum:
        assert rounded < size * 1.25


@pytest.mark.parametrize(("size_class", "pages"), [(16, 1), (112, 7), (48, 3), (2048, 1), (5120, 5), (10240, 5)])
def test_slabs_are_the_fewest_pages_without_rest(size_class: int, pages: int) -> None:
    assert jemalloc_slab_bytes(size_class, PAGE) == pages * PAGE


@pytest.mark.parametrize(("size", "chunk"), [(1, 32), (24, 32), (25, 48), (40, 48), (41, 64), (2016, 2032)])
def test_glibc_adds_its_header_and_aligns(size: int, chunk: int) -> None:
    assert Allocator("libc").slot_bytes(size, PAGE) == chunk


def test_a_large_allocation_has_pages_of_its_own() -> None:
    jemalloc = Allocator("jemalloc")
    assert not jemalloc.is_large(14_336, PAGE)
    assert jemalloc.is_large(14_337, PAGE)
    assert jemalloc.slot_bytes(40_006, PAGE) == 40_960 + PAGE  # one page of padding
    assert not Allocator("libc").is_large(10**6, PAGE)
