from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes import meminfo

TEXT = "MemTotal:       2048 kB\nHugePages_Total:       3\nHugepagesize:       2048 kB\nOdd: -5 kB\n"


def test_kilobytes_are_1024_bytes_and_counts_are_counts():
    table = meminfo.parse(TEXT)
    assert table["MemTotal"] == 2 * 1024 * 1024
    assert table["HugePages_Total"] == 3
    assert meminfo.hugetlb(table) == 3 * 2048 * 1024


def test_a_value_that_is_no_size_says_which():
    assert meminfo.get(meminfo.parse(TEXT), "Odd") == Unread(
        "/proc/meminfo Odd", "'-5 kB' is not a size as /proc writes it"
    )


def test_a_missing_line_is_not_zero():
    assert isinstance(meminfo.get(meminfo.parse(TEXT), "SwapTotal"), Unread)


def test_a_kernel_without_huge_pages_has_none():
    assert meminfo.hugetlb(meminfo.parse("MemTotal: 1 kB\n")) == 0
    assert isinstance(meminfo.hugetlb(meminfo.parse("garbage")), Unread)


def test_an_unreadable_file_says_so_for_every_line(tmp_path):
    table = meminfo.read(tmp_path)
    assert meminfo.get(table, "MemTotal") == Unread(str(tmp_path / "proc/meminfo"), "no such file or directory")


@given(st.text())
def test_no_text_makes_it_raise(text):
    for value in meminfo.parse(text).values():
        assert isinstance(value, Unread) or value >= 0
