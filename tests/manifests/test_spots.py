"""Where fields are written, to the character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.manifests.documents import Document, Text, load
from checker.manifests.spots import SharedError, find


def document(text: str) -> Document:
    loaded = load(Text("f.yaml", 1, text))
    assert isinstance(loaded, list)
    return loaded[0]


def written(text: str, *path: str | int) -> str | None:
    spot = find(document(text), *path)
    return None if spot is None else text[spot.start : spot.end]


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        pytest.param("a:\n  b: 256Mi # c\n", ("a", "b"), "256Mi", id="plain, before a comment"),
        pytest.param("a: {b: '256Mi', c: 1}\n", ("a", "b"), "'256Mi'", id="quoted, with its quotes"),
        pytest.param("a:\n- x\n- [y, z]\n", ("a", 1, 0), "y", id="an item of a list in a list"),
        pytest.param("a: 1\na: 2\n", ("a",), "2", id="of two equal keys the one that counts"),
        pytest.param('{"a":\t{"b": 3}}', ("a", "b"), "3", id="JSON with a tab"),
        pytest.param("ä: ö\r\nb: 1\r\n", ("b",), "1", id="characters, not bytes, and both of a line end's"),
        pytest.param("a: 1\n", ("b",), None, id="not there"),
        pytest.param("a: 1\n", ("a", "b"), None, id="below a scalar"),
    ],
)
def test_a_value_is_found_to_the_character(text: str, path: tuple[str | int, ...], value: str | None) -> None:
    assert written(text, *path) == value


@pytest.mark.parametrize(
    "text",
    ["x: &a {b: 1}\na: *a\n", "x: &a {b: 1}\na: {<<: *a, c: 1}\n", "a: {b: &n 1}\n", "a: {b: !!str 1}\n"],
    ids=["alias", "merge", "anchor", "tag"],
)
def test_what_is_shared_or_tagged_is_not_a_place_of_its_own(text: str) -> None:
    with pytest.raises(SharedError):
        find(document(text), "a", "b")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])), max_size=5))
def test_a_comment_in_any_language_moves_nothing(comments: list[str]) -> None:
    comment = "".join(f"# {line}\n" for line in comments if line.isprintable())
    assert written(f"{comment}a: here\n", "a") == "here"
