"""YAML and JSON text → documents: split first, so that a broken one does not hide the others.

With `spots` and the policy, the only module of the checker that knows `yaml`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import yaml

from checker.facts import Unread

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: the same result, ten times slower
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

MAX_DEPTH: Final = 200
"""Nesting that a document may have. Kubernetes' deepest real objects (CRD schemas) have about 50; libyaml's own
recursion overruns the C stack at some 30,000."""

MANY_OPENINGS: Final = 1000
"""Brackets and stacked dashes below which the depth is not looked at (nesting by indentation costs the square of its
depth in characters, and so never reaches libyaml's limit)."""

MAX_MERGED_PAIRS: Final = 10_000
"""Pairs that `<<:` may copy in one document: merges of merges grow exponentially."""

MAX_DOCUMENT_CHARACTERS: Final = 8 * 1024 * 1024
"""etcd takes 1.5 MB; a List of many objects may well be larger."""

_NESTS: Final = re.compile(r"[\[{]|[-?:][ \t]+(?=[-?])")


@dataclass(frozen=True, slots=True)
class Text:
    """One document as it is written."""

    file: str
    line: int  # of its first character, counted from 1
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One object, with the text that it came from; an item of a List shares the List's text."""

    origin: Text
    value: Mapping[str, Any]
    path: tuple[str | int, ...] = ()  # where in the text the object is: ("items", 3)
    placed: bool = True  # False: it came parsed; its text is there to be searched, and has no lines to name


def parsed(value: Mapping[str, Any], name: str, text: str | None = None) -> Document:
    """An object that came parsed (from the API server); `name` says where from, in place of a file.

    `text` is the object as JSON, where somebody has it already.
    """
    return Document(Text(name, 1, json.dumps(value) if text is None else text), value, placed=False)


class _BoundedLoader(_Loader):
    """CSafeLoader with a bound on what `<<:` copies."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > MAX_MERGED_PAIRS:
            raise yaml.constructor.ConstructorError(
                None, None, f"`<<` merges more than {MAX_MERGED_PAIRS} pairs", node.start_mark
            )


def split(lines: Iterable[str], file: str) -> Iterator[Text | Unread]:
    """Cut a stream of lines (with their ends) at its `---` and `...`, holding one document at a time.

    A line that begins so is never content (YAML 1.2, 9.1.2), not even in a block of text.
    """
    held: list[str] = []
    size, first = 0, 1
    for number, line in enumerate(lines, start=1):
        separates = line.startswith(("---", "...")) and line[3:4] in ("", " ", "\t", "\r", "\n")
        if separates:
            yield from _document(held, size, file, first)
            held, size, first = [], 0, number
        size += len(line)
        if size <= MAX_DOCUMENT_CHARACTERS:
            held.append("   " + line[3:] if separates else line)  # what stands behind the dashes is content
        else:
            held = []
    yield from _document(held, size, file, first)


def _document(held: list[str], size: int, file: str, first: int) -> Iterator[Text | Unread]:
    if size > MAX_DOCUMENT_CHARACTERS:
        yield Unread(f"{file} line {first}", f"a document of {size:,} characters", "split it")
    elif any(stripped and not stripped.startswith("#") for line in held if (stripped := line.strip())):
        yield Text(file, first, "".join(held))


def load(origin: Text) -> list[Document] | Unread:
    """The objects of one document (a List has many), or why it cannot be read; comments alone are no object."""
    text = origin.text
    try:
        if _depth(text) > MAX_DEPTH:
            return Unread(_place(origin), f"nested deeper than {MAX_DEPTH} levels", "no Kubernetes object is")
        value = _value(text)
    except yaml.YAMLError as error:
        return _broken(origin, error)
    except (ValueError, RecursionError, OverflowError) as error:
        return Unread(_place(origin), f"not readable as YAML: {error}", _remedy(text))
    return _objects(origin, value, ())


def _value(text: str) -> Any:
    if text.lstrip()[:1] == "{":
        try:
            return json.loads(text)
        except ValueError:
            pass  # YAML's own flow style, or broken: the YAML parser says where
    return yaml.load(text, _BoundedLoader if "<<" in text else _Loader)  # noqa: S506 (both are safe loaders)


def _objects(origin: Text, value: Any, path: tuple[str | int, ...]) -> list[Document]:
    if not isinstance(value, dict):
        return []
    items = value.get("items")
    if isinstance(items, list) and str(value.get("kind", "List")).endswith("List") and len(path) < 6:
        return [
            document for index, item in enumerate(items) for document in _objects(origin, item, (*path, "items", index))
        ]
    return [Document(origin, value, path)]


def _depth(text: str) -> int:
    """How deep the document nests; 0 where it cannot nest deep enough to matter, which costs nothing to tell."""
    if len(_NESTS.findall(text)) < MANY_OPENINGS:
        return 0
    depth = deepest = 0
    for event in yaml.parse(text, _Loader):  # iterative, unlike the composer
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                break
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return deepest


def _place(origin: Text, line: int | None = None) -> str:
    return f"{origin.file} line {origin.line if line is None else line}"


def _broken(origin: Text, error: yaml.YAMLError) -> Unread:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        place = _place(origin, origin.line + mark.line) + f" column {mark.column + 1}" if mark else _place(origin)
    else:
        reason, place = str(error).splitlines()[0], _place(origin)
    return Unread(place, f"broken YAML: {reason}", _remedy(origin.text))


def _remedy(text: str) -> str:
    if "{{" in text:
        return "this looks like a template: give the output of `helm template` instead"
    return "correct it; the other documents were read"


# --- places ----------------------------------------------------------------------------------------------------------


class Places:
    """Line numbers of one document's fields; composing it a second time, with marks, waits until somebody asks."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._root: yaml.Node | None = None
        self._composed = False

    def line(self, *path: str | int) -> int:
        """Line in the file of the key (or list item) at this path, or of the nearest thing above it that exists."""
        node, line = self._compose(), self._document.origin.line
        for step in (*self._document.path, *path):
            found = step_into(node, step)
            if found is None:
                break
            mark, node = found
            line = self._document.origin.line + mark.start_mark.line
        return line

    def text_line(self, number: int, *path: str | int) -> int:
        """Line in the file of the `number`th line of a text; of its key where the text is not written as a block."""
        node = self._own()
        for step in path:
            found = step_into(node, step)
            node = found[1] if found else None
        block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
        return self.line(*path) + (number if block else 0)

    def duplicate_keys(self) -> list[Unread]:
        """Keys that are written twice in one mapping: parsers differ in which one they take."""
        found: list[Unread] = []
        seen: set[int] = set()
        pending = [self._own()]
        while pending:
            node = pending.pop()
            if node is None or id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                pending += node.value
            elif isinstance(node, yaml.MappingNode):
                keys: set[str] = set()
                for key, value in node.value:
                    pending.append(value)
                    if isinstance(key, yaml.ScalarNode) and key.value in keys and key.value != "<<":
                        place = _place(self._document.origin, self._document.origin.line + key.start_mark.line)
                        found.append(Unread(place, f"{key.value} is there twice; the last one was taken", "drop one"))
                    if isinstance(key, yaml.ScalarNode):
                        keys.add(key.value)
        return sorted(found, key=lambda unread: unread.where)

    def _own(self) -> yaml.Node | None:
        """The object's node; of a List, the item's."""
        node = self._compose()
        for step in self._document.path:
            found = step_into(node, step)
            node = found[1] if found else None
        return node

    def _compose(self) -> yaml.Node | None:
        if not self._composed:
            self._composed = True
            self._root = compose(self._document.origin) if self._document.placed else None
        return self._root


@lru_cache(maxsize=1)
def compose(origin: Text) -> yaml.Node | None:
    """The document's nodes, with their marks; None for JSON that YAML cannot read. Kept for the next item of a List."""
    # Tabs between JSON's tokens trip the YAML scanner, and inside its strings they cannot stand raw.
    text = origin.text.replace("\t", " ") if origin.text.lstrip().startswith("{") else origin.text
    try:
        return yaml.compose(text, _Loader)
    except (yaml.YAMLError, ValueError):
        return None


def step_into(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """(the node that names the place, the node below it); the last of two equal keys, as the loader takes it."""
    if isinstance(node, yaml.MappingNode) and isinstance(step, str):
        pairs = [(key, value) for key, value in node.value if key.value == step]
        return pairs[-1] if pairs else None
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None
