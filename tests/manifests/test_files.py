from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from checker.facts import Unread
from checker.manifests.documents import Text
from checker.manifests.files import read


def texts(*paths: Path | str) -> list[str]:
    return [part.text.strip() for part in read(map(str, paths)) if isinstance(part, Text)]


def problems(*paths: Path | str) -> list[Unread]:
    return [part for part in read(map(str, paths)) if isinstance(part, Unread)]


def test_directories_are_read_in_order_and_only_manifests(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/c.yml", "a.yaml", "d.JSON", "readme.md", ".git.yaml"):
        (tmp_path / name).write_text(f"n: {name}\n")
    assert texts(tmp_path) == ["n: a.yaml", "n: b/c.yml", "n: d.JSON"]


def test_a_file_that_is_named_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfa: 1\r\n---\r\nb: 2\r\n")
    assert texts(tmp_path / "x") == ["a: 1", "b: 2"]


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.yaml").symlink_to(tmp_path / "self.yaml")
    assert texts(tmp_path) == ["a: 1"]
    assert [problem.where for problem in problems(tmp_path)] == [str(tmp_path / "self.yaml")]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"a: 1\n\0\0\n", "binary", id="NUL"),
        pytest.param(b"\xff\xfea\0:\0", "UTF-8", id="UTF-16"),
        pytest.param(b"a: \xe9\n", "UTF-8", id="Latin-1"),
    ],
)
def test_what_is_no_text_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    (problem,) = problems(tmp_path)
    assert why in problem.why


def test_a_path_that_is_not_there_is_said() -> None:
    assert problems("nowhere.yaml") == [
        Unread("nowhere.yaml", "No such file or directory", "make it readable, or leave it out")
    ]


def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "a.yaml").chmod(0)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)  # root may read everything: be nobody
    try:
        (problem,) = problems(tmp_path / "a.yaml")
    finally:
        os.seteuid(user)
    assert problem.why == "Permission denied"


def test_standard_input_is_read() -> None:
    (part,) = read(["-"], io.StringIO("a: 1\n"))
    assert isinstance(part, Text)
    assert (part.file, part.text) == ("<stdin>", "a: 1\n")
