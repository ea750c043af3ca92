import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes import program
from checker.probes.inside import Inside


def elf(*strings: bytes) -> bytes:
    return b"\x7fELF\2\1\1\0" + b"\0".join(strings) + b"\0"


@pytest.mark.parametrize(
    ("strings", "version"),
    [
        pytest.param((b"2.8.4", b"7.0.15", b"7.0.3"), "7.0.15", id="above the versions that commands came with"),
        pytest.param((b"9.1.0", b"9.1.2", b"14.2.1", b"GCC: (GNU) 14.2.1 20250110"), "9.1.2", id="not the compiler's"),
        pytest.param((b"6.2.14", b"255.255.255"), "6.2.14", id="not the mark of unstable builds"),
        pytest.param((b"5.3.0-0-gabc", b"7.4.1"), "7.4.1", id="not a part of a longer text"),
    ],
)
def test_the_highest_version_is_the_programs(strings, version):
    assert program.parse_version(elf(*strings)) == version


def test_without_a_version_it_says_so():
    assert isinstance(program.parse_version(elf(b"nothing")), Unread)
    assert isinstance(program.parse_version(b"#!/bin/sh\0" + b"7.0.15\0"), Unread)


def test_the_allocator_is_what_info_shows():
    assert program.parse_allocator(elf(b"jemalloc-5.3.0", b"jemalloc-bg-thread")) == "jemalloc-5.3.0"
    assert program.parse_allocator(elf(b"libc", b"libc.so.6")) == "libc"
    assert isinstance(program.parse_allocator(elf(b"jemalloc-5.3.0", b"tcmalloc-2.9")), Unread)


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    file = tmp_path / "server"
    file.write_bytes(elf(b"7.0.15"))
    inside = Inside(tmp_path, "/")
    assert program.read(inside, "/server") == ("7.0.15", "libc")
    file.write_bytes(elf(b"7.0.16", b"jemalloc-5.3.0"))
    assert program.read(inside, "/server") == ("7.0.16", "jemalloc-5.3.0")


def test_an_executable_that_is_gone_is_not_libc(tmp_path):
    version, allocator = program.read(Inside(tmp_path, "/"), "/gone")
    assert isinstance(version, Unread)
    assert isinstance(allocator, Unread)


@given(st.binary())
def test_no_bytes_make_it_raise(raw):
    program.parse_version(b"\x7fELF" + raw)
    program.parse_allocator(b"\x7fELF" + raw)
