import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from checker.lab.resp import Connection, ReplyError, encode, parse_info


@contextmanager
def answering(directory: Path, *chunks: bytes) -> Iterator[Connection]:
    """A connection to something that says these bytes to whoever connects, and closes."""
    path = str(directory / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                for chunk in chunks:
                    peer.sendall(chunk)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with Connection(path, timeout_seconds=5) as connection:
            yield connection
        thread.join()


def test_a_command_is_an_array_of_bulk_strings() -> None:
    assert encode(b"SET", b"k", b"") == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"


def test_replies_are_read_in_whatever_pieces_they_come(tmp_path: Path) -> None:
    with answering(tmp_path, b"+PO", b"NG\r\n$5\r\nab\r", b"\nc\r\n:7\r\n$-1\r\n") as connection:
        assert connection.pipeline((("PING",), ("GET", "a"), ("DBSIZE",), ("GET", "b"))) == ["PONG", "ab\r\nc", "7", ""]


def test_an_error_reply_is_raised_in_the_servers_words(tmp_path: Path) -> None:
    with answering(tmp_path, b"-ERR no\r\n") as connection, pytest.raises(ReplyError, match="ERR no"):
        connection.command("BGSAVE")


def test_a_reply_of_another_kind_is_an_error(tmp_path: Path) -> None:
    with answering(tmp_path, b"*1\r\n+a\r\n") as connection, pytest.raises(ReplyError, match="does not know"):
        connection.command("KEYS", "*")


def test_a_closed_connection_is_an_os_error(tmp_path: Path) -> None:
    with answering(tmp_path, b"+PON") as connection, pytest.raises(ConnectionResetError):
        connection.command("PING")


def test_info_is_a_table() -> None:
    assert parse_info("# Server\r\nredis_version:7.0.15\r\nexecutable:/a:b\r\n\r\n") == {
        "redis_version": "7.0.15",
        "executable": "/a:b",
    }
