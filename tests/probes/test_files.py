import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes.files import AS_ROOT, decode, kilobytes, number, read_bytes, read_link, read_text


def test_a_fifo_does_not_hang_the_reader(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    answer = read_text(tmp_path / "fifo")
    assert answer == Unread(str(tmp_path / "fifo"), "not a regular file")


def test_a_device_is_refused():
    assert isinstance(read_bytes(Path("/dev/zero")), Unread)


def test_a_file_above_the_bound_is_refused_rather_than_cut(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 101)
    assert read_bytes(tmp_path / "large", limit=101) == b"x" * 101
    assert isinstance(read_bytes(tmp_path / "large", limit=100), Unread)


def test_what_is_not_there_says_where(tmp_path):
    assert read_text(tmp_path / "none") == Unread(str(tmp_path / "none"), "no such file or directory")


def test_a_nul_in_a_path_is_no_crash():
    assert isinstance(read_text(Path("/tmp/a\0b")), Unread)
    assert isinstance(read_link(Path("/tmp/a\0b")), Unread)


def test_denied_says_what_would_help(tmp_path):
    (tmp_path / "secret").touch(mode=0)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)  # root may read everything: be nobody
    try:
        answer = read_text(tmp_path / "secret")
    finally:
        os.seteuid(user)
    assert answer == Unread(str(tmp_path / "secret"), "permission denied", AS_ROOT)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("0\n", 0, id="zero is a number"),
        pytest.param("18446744073709551615", 2**64 - 1, id="the largest"),
        pytest.param("18446744073709551616", None, id="one more"),
        pytest.param("-1", None, id="negative"),
        pytest.param("1_000", None, id="python's own notation"),
        pytest.param("٣", None, id="a digit that is not ASCII"),
        pytest.param("", None, id="empty"),
        pytest.param("max", None, id="a word"),
        pytest.param("9" * 5000, None, id="huge"),
    ],
)
def test_number(text, value):
    answer = number(text, "here")
    assert answer == value if value is not None else isinstance(answer, Unread) and answer.where == "here"


@given(st.text())
def test_no_text_makes_number_or_kilobytes_raise(text):
    for answer in (number(text, "here"), kilobytes(text, "here")):
        assert isinstance(answer, Unread) or 0 <= answer < 2**64


@given(st.binary())
def test_decoded_text_can_always_be_printed(raw):
    decode(raw).encode("utf-8")
