"""Where a field is written, to the character: what an edit needs that leaves all other lines alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import yaml

from checker.manifests.documents import Document, Text, compose, step_into

_MERGE: Final = "<<"

_DEPTH: Final = 20


@dataclass(frozen=True, slots=True)
class Spot:
    """The value of one field, as offsets in its document's text; a list knows its items, a mapping its keys."""

    start: int
    end: int
    column: int  # of the value's first character
    block: bool  # a list or mapping by indentation, or a text behind `|` or `>`
    quote: str  # ' or " where the value is quoted, | and > for a block of text
    key_start: int  # of the key; of the item itself in a list
    key_column: int
    items: tuple[Spot, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in place of the characters from `start` to `end` of a document; an insertion where they are one."""

    origin: Text
    start: int
    end: int
    text: str


class SharedError(ValueError):
    """A field that is written once and used in several places: changing one would change all."""


def find(document: Document, *path: str | int) -> Spot | None:
    """Where the value at this path is written; None where it is not. Raises SharedError for anchors and merges."""
    node, shared = _tree(document.origin)
    key: yaml.Node | None = node
    for step in (*document.path, *path):
        if node is None or id(node) in shared or _merges(node):
            raise SharedError(f"{step} is shared by an anchor or a merge")
        found = step_into(node, step)
        if found is None:
            return None
        key, node = found
    if node is None or key is None:
        return None
    if id(node) in shared or _merges(node) or document.origin.text[node.start_mark.index] in "&!*":
        raise SharedError(f"{path[-1] if path else 'it'} is shared by an anchor, or tagged")
    return _spot(key, node, shared)


def _spot(key: yaml.Node, node: yaml.Node, shared: frozenset[int], depth: int = 0) -> Spot:
    """What aliases share is not gone into (it may be huge, or hold itself), nor what is deeper than a pod is."""
    items: list[Spot] = []
    if id(node) not in shared and depth < _DEPTH:
        items = [_spot(name, value, shared, depth + 1) for name, value in _pairs(node)]
    quote = node.style or "" if isinstance(node, yaml.ScalarNode) else ""
    indented = isinstance(node, yaml.CollectionNode) and not node.flow_style
    return Spot(
        start=node.start_mark.index,
        end=node.end_mark.index,
        column=node.start_mark.column,
        block=indented or quote in ("|", ">"),
        quote=quote,
        key_start=key.start_mark.index,
        key_column=key.start_mark.column,
        items=tuple(items),
    )


@lru_cache(maxsize=1)
def _tree(origin: Text) -> tuple[yaml.Node | None, frozenset[int]]:
    """A document's nodes, and the ids of those that are shared; kept for the next question about the same document."""
    root = compose(origin)
    return root, _shared(root)


def _shared(root: yaml.Node | None) -> frozenset[int]:
    """Nodes that an alias uses a second time, by id."""
    seen: set[int] = set()
    twice: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if node is None:
            continue
        if id(node) in seen:
            twice.add(id(node))
            continue
        seen.add(id(node))
        pending += [value for _, value in _pairs(node)]
    return frozenset(twice)


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """(what names it, node) of everything directly inside; an item names itself."""
    if isinstance(node, yaml.SequenceNode):
        yield from zip(node.value, node.value, strict=True)
    elif isinstance(node, yaml.MappingNode):
        yield from node.value


def _merges(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and any(key.value == _MERGE for key, _ in node.value)
