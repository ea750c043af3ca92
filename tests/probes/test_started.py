"""The command lines are those of redis-server 6.2.14, 7.0.15 and valkey-server 9.1.2, as /proc shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes import started
from checker.probes.proc import parse_cmdline
from checker.probes.started import Title, fitting, parse, parse_title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("redis-server *:6379", Title("redis-server", "*:6379", 6379, None)),
        ("redis-server 127.0.0.1:6379 [cluster]", Title("redis-server", "127.0.0.1:6379", 6379, "cluster")),
        ("redis-sentinel *:26379 [sentinel]", Title("redis-sentinel", "*:26379", 26379, "sentinel")),
        ("redis-server unixsocket:/tmp/u.sock", Title("redis-server", "unixsocket:/tmp/u.sock", None, None)),
        ("/opt/my redis/redis-server ::1:6379", Title("/opt/my redis/redis-server", "::1:6379", 6379, None)),
        ("foo *:7392", Title("foo", "*:7392", 7392, None)),
        ("redis-server \x1b[2J:6379", None),
        ("redis-server", None),
        ("/usr/bin/redis-server", None),
        ("", None),
    ],
)
def test_titles(text, title):
    assert parse_title((text,)) == title


def test_arguments_that_are_still_there_are_taken():
    start = parse(b"redis-server\0--save\0\0", 21, "cmdline")
    assert (start.arguments, start.title) == (("--save", ""), None)
    assert parse(b"redis-server\0", 13, "cmdline").arguments == ()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"redis-server *:6379", id="the title ran over the end"),
        pytest.param(b"redis-server *:6379\0\0\0", id="padded"),
    ],
)
def test_no_byte_besides_the_name_means_no_arguments(raw):
    start = parse(raw, len("redis-server") + 1, "cmdline")
    assert start.arguments == ()


@pytest.mark.parametrize("size", [None, 14, 46])
def test_hidden_arguments_are_not_no_arguments(size):
    start = parse(b"redis-server *:6379\0\0\0\0", size, "cmdline")
    assert isinstance(start.arguments, Unread)
    assert "set-proc-title no" in start.arguments.remedy


def test_a_title_of_the_users_own_template_hides_them_too():
    start = parse(b"my cache\0\0\0\0\0\0", 14, "cmdline")
    assert isinstance(start.arguments, Unread)


DEBIAN = len("/etc/redis/redis.conf --supervised systemd --daemonize no ")


@pytest.mark.parametrize(
    ("room", "files"),
    [
        pytest.param(22, {"/etc/redis/redis.conf": ()}, id="the file alone"),
        pytest.param(
            DEBIAN,
            {"/etc/redis/redis.conf": ("--supervised", "systemd", "--daemonize", "no")},
            id="with what Debian's unit adds",
        ),
        pytest.param(23, {}, id="one byte more"),
    ],
)
def test_only_an_exact_fit_is_a_candidate(room, files):
    assert fitting(room, ["/etc/redis/redis.conf", "/etc/redis/other-redis.conf"]) == files


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        pytest.param({}, True, id="says nothing, as the default"),
        pytest.param({"port": "6380"}, False, id="another port"),
        pytest.param({"port": "6379", "dir": "/data/"}, True, id="both right"),
        pytest.param({"dir": "/var/lib/redis"}, False, id="another directory"),
        pytest.param({"dir": "./"}, True, id="a relative directory says nothing"),
    ],
)
def test_a_file_must_agree_with_title_and_working_directory(settings, answer):
    assert started.agrees(settings, Title("redis-server", "*:6379", 6379, None), "/data") is answer


@given(st.binary(), st.none() | st.integers(0, 2**63))
def test_no_bytes_make_it_raise(raw, size):
    parse(raw, size, "cmdline")
    parse(b"redis-server *:6379" + raw, size, "cmdline")


@pytest.mark.parametrize(
    ("cmdline", "is_title"),
    [
        pytest.param(["/usr/bin/redis-server *:6379", "", ""], True, id="title"),
        pytest.param(["redis-server 127.0.0.1:6379 [cluster]"], True, id="cluster"),
        pytest.param(["redis-server unixsocket:/tmp/s"], True, id="socket"),
        pytest.param(["redis-server", "/etc/redis.conf"], False, id="arguments"),
        pytest.param(["redis-server"], False, id="alone"),
        pytest.param([], False, id="nothing"),
    ],
)
def test_a_title_is_told_from_arguments(cmdline: list[str], is_title: bool) -> None:
    assert (parse_title(parse_cmdline("\0".join(cmdline).encode())) is not None) is is_title
