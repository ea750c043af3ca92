from __future__ import annotations

import pytest

from checker.facts import Unread
from checker.manifests import documents
from checker.manifests.documents import Document, Places, Text, load, split


def pieces(text: str) -> list[Text | Unread]:
    return list(split(text.splitlines(keepends=True), "f"))


def document(text: str) -> Document:
    (part,) = pieces(text)
    assert isinstance(part, Text)
    loaded = load(part)
    assert not isinstance(loaded, Unread)
    return loaded[0]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("a: 1\n", [1], id="one"),
        pytest.param("---\na: 1\n---\nb: 2\n", [1, 3], id="two"),
        pytest.param("# c\n---\n\n--- # x\n---\na: 1\n", [5], id="comments are no document"),
        pytest.param("a: 1\n...\n---\nb: 1\n", [1, 3], id="end markers"),
        pytest.param("a: |\n  ---\n  x\nb: ---x\n", [1], id="dashes that are content"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_a_stream_is_cut_at_its_separators(text: str, lines: list[int]) -> None:
    assert [part.line for part in pieces(text) if isinstance(part, Text)] == lines


def test_a_huge_document_is_passed_over_and_the_next_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_CHARACTERS", 100)
    huge, small = pieces("a: 1\n" * 50 + "---\nb: 2\n")
    assert isinstance(huge, Unread)
    assert isinstance(small, Text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("a: [1,\n", "broken YAML", id="broken"),
        pytest.param("a:\n\tb: 1\n", "broken YAML", id="a tab"),
        pytest.param("a: !secret x\n", "broken YAML", id="a tag"),
        pytest.param("? [a]\n: b\n", "broken YAML", id="a key that is no text"),
        pytest.param("[" * 5000 + "]" * 5000, "nest", id="brackets"),
        pytest.param("- " * 5000 + "a", "nested deeper", id="dashes"),
        pytest.param('{"a": "\\ud800"}', "", id="half a character"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text: str, why: str) -> None:
    (part,) = pieces(text)
    assert isinstance(part, Text)
    loaded = load(part)
    if why:
        assert isinstance(loaded, Unread)
        assert loaded.where.startswith("f line ")
        assert why in loaded.why
        assert loaded.remedy


def test_a_bomb_of_aliases_costs_nothing() -> None:
    rows = [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)]
    assert document("a: &a [x]\n" + "".join(rows)).value["a"] == ["x"]


def test_items_of_lists_are_objects_with_their_places() -> None:
    (part,) = pieces("kind: List\nitems:\n- kind: A\n- kind: DeploymentList\n  items:\n  - kind: B\n    x: 1\n")
    assert isinstance(part, Text)
    loaded = load(part)
    assert not isinstance(loaded, Unread)
    assert [(one.value["kind"], Places(one).line("x")) for one in loaded] == [("A", 3), ("B", 7)]


def test_places_name_keys_items_and_the_nearest_thing_there_is() -> None:
    places = Places(document("# c\na:\n  b:\n  - c\n  - d: 1\n    e: |\n      x\n      y\n"))
    assert places.line("a", "b", 1, "d") == 5
    assert places.line("a", "b", 0) == 4
    assert places.line("a", "nothing") == 2
    assert places.text_line(2, "a", "b", 1, "e") == 8


def test_the_last_of_two_keys_is_taken_and_both_are_told_of() -> None:
    text = "a:\n  b: 1\n  b: 2\n"
    assert document(text).value["a"]["b"] == 2
    assert Places(document(text)).line("a", "b") == 3
    assert [problem.where for problem in Places(document(text)).duplicate_keys()] == ["f line 3"]


def test_a_bomb_of_merges_is_refused_or_does_not_go_off() -> None:
    merges = ", ".join(["*b{0}"] * 9)
    lines = [f"b{n}: &b{n} {{<<: [{merges.format(n - 1)}]}}\n" for n in range(1, 12)]
    (part,) = pieces("b0: &b0 {k: 1, l: 1, m: 1}\n" + "".join(lines))
    assert isinstance(part, Text)
    loaded = load(part)
    if isinstance(loaded, Unread):  # PyYAML copies each merge (before 6.0.4), and our bound stops it
        assert "merges more" in loaded.why
    else:  # PyYAML merges each key once
        (document,) = loaded
        assert document.value["b11"] == {"k": 1, "l": 1, "m": 1}
