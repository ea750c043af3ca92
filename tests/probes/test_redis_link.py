import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes.redis_link import Link, ServerError, connect, label

TIMEOUT = 0.3


def ask(url, *commands, password=None, timeout=TIMEOUT):
    with connect(url, password, timeout, extra_seconds=0.0) as link:
        return link.call(*commands) if isinstance(link, Link) else link


def sends(reply):
    def speak(connection):
        connection.recv(4096)
        connection.sendall(reply)

    return speak


@pytest.mark.parametrize(
    ("reply", "value"),
    [(b"+PONG\r\n", b"PONG"), (b":7\r\n", 7), (b"$-1\r\n", None), (b"*2\r\n$1\r\na\r\n:1\r\n", [b"a", 1])],
)
def test_replies(listener, reply, value):
    assert ask(listener(sends(reply)), ("PING",)) == [value]


def test_an_error_of_one_command_is_its_reply(listener):
    answer = ask(listener(sends(b"+OK\r\n-ERR unknown command 'X'\r\n")), ("PING",), ("X",))
    assert isinstance(answer, list)
    assert answer[0] == b"OK"
    assert isinstance(answer[1], ServerError)


@pytest.mark.parametrize(
    ("reply", "why", "remedy"),
    [
        pytest.param(b"-NOAUTH Authentication required.\r\n", "NOAUTH", "password", id="needs a password"),
        pytest.param(b"-LOADING Redis is loading\r\n", "LOADING", "wait", id="loading"),
        pytest.param(b"-NOPERM no permissions\r\n", "NOPERM", "ACL", id="not allowed"),
        pytest.param(b"-DENIED Redis is running in protected mode\r\n", "DENIED", "protected-mode", id="protected"),
    ],
)
def test_errors_say_what_to_do(listener, reply, why, remedy):
    answer = ask(listener(sends(reply)), ("INFO",))
    unread = answer[0].unread("here") if isinstance(answer, list) else answer
    assert unread.why.startswith(why)
    assert remedy in unread.remedy


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b":x\r\n",
        b"$x\r\n",
        b"$99999999999999999999\r\nx",
        b"*1\r\n" * 5000,
        b"\0\xff\r\n",
        b"\r\n",
    ],
    ids=["http", "integer", "length", "huge", "nested", "binary", "empty line"],
)
def test_what_is_no_redis_says_so(listener, reply):
    answer = ask(listener(sends(reply)), ("INFO",))
    assert isinstance(answer, Unread)
    assert answer.remedy


def test_a_server_that_hangs_is_left_in_time(listener):
    start = time.monotonic()
    answer = ask(listener(lambda connection: time.sleep(5)), ("INFO",))
    assert isinstance(answer, Unread)
    assert answer.why == "no answer in time"
    assert time.monotonic() - start < 4 * TIMEOUT + 1


def test_a_server_that_drips_is_left_at_the_deadline(listener):
    def drip(connection):
        while True:
            connection.sendall(b"$9")
            time.sleep(TIMEOUT / 4)

    start = time.monotonic()
    answer = ask(listener(drip), ("INFO",))
    assert isinstance(answer, Unread)
    assert answer.why == "no answer in time"
    assert time.monotonic() - start < 4 * TIMEOUT + 1


def test_nobody_there(listener):
    answer = ask("redis://127.0.0.1:1", ("PING",))
    assert isinstance(answer, Unread)
    assert "refused" in answer.why


@pytest.mark.parametrize("url", ["", "http://x", "redis://h:x", "127.0.0.1:6379", "redis://[::1", "unix://"])
def test_what_is_no_url_says_how_to_write_one(url):
    answer = ask(url, ("PING",))
    assert isinstance(answer, Unread)


SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://user:{SECRET}@h:1/0", "redis://h:1/0"),
        (f"rediss://:{SECRET}@h", "rediss://h"),
        (f"redis://h?password={SECRET}", "redis://h"),
        (f"unix://:{SECRET}@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        (f"redis://:{SECRET}@[::1", "--redis URL"),
        (SECRET, "--redis URL"),
    ],
)
def test_no_message_shows_a_password(url, shown):
    assert label(url) == shown
    assert SECRET not in str(ask(url, ("PING",)))


def test_the_password_of_the_url_wins_then_the_given_then_the_environment(redis_like, monkeypatch):
    heard = []

    def answer(words):
        heard.append(words)
        return b"+OK\r\n"

    url = redis_like(answer)
    monkeypatch.setenv("REDISCLI_AUTH", "of the environment")
    ask(url, ("PING",))
    ask(url, ("PING",), password="given")
    ask(url.replace("redis://", "redis://:of%20the%20url@"), ("PING",), password="given")
    assert [words[-1] for words in heard if words[0] == b"AUTH"] == [b"of the environment", b"given", b"of the url"]
    assert {words[0] for words in heard} == {b"AUTH", b"PING"}


def test_a_wrong_password_says_so(redis_like):
    answer = ask(redis_like(lambda words: b"-WRONGPASS invalid username-password pair\r\n"), ("PING",), password="x")
    assert isinstance(answer, Unread)
    assert answer.why.startswith("WRONGPASS")
    assert "--redis-password-file" in answer.remedy


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reply=st.binary(max_size=60))
def test_no_bytes_make_it_raise(listener, reply):
    def speak(connection):
        sends(reply)(connection)
        connection.close()

    answer = ask(listener(speak), ("INFO",), ("PING",), timeout=0.05)
    assert isinstance(answer, (Unread, list))
