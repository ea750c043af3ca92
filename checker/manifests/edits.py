"""Changes to a manifest, as edits of single places: the memory limit raised, or a maxmemory written.

Each way yields edits that look right where they stand; whether they *are* is for the caller to find out, by reading
the edited text as any other (`checker.fix`). What a way cannot do it leaves out, or says why as an `Unread`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from checker.facts import SavePoint, Server, Unread
from checker.manifests import Path, Place
from checker.manifests.documents import Document
from checker.manifests.images import classify
from checker.manifests.objects import Index, at, mapping, name_of, sequence, text
from checker.manifests.spots import Edit, SharedError, Spot, find
from checker.units import UnitError, format_quantity, format_redis_memory, parse_quantity

Edits: TypeAlias = tuple[Edit, ...]

_LINE: Final = re.compile(r"ConfigMap (\S+) key (\S+) line (\d+)")

_VARIABLES: Final = {
    ("stack", "redis"): "REDIS_ARGS",
    ("bitnami", "redis"): "REDIS_EXTRA_FLAGS",
    ("bitnami", "valkey"): "VALKEY_EXTRA_FLAGS",
}
"""(family of the image, engine) → the variable whose words its entry point appends to the server's own."""

_OFFICIAL: Final = re.compile(r"((.*/)?(library|valkey|eqalpha)/|[^/]*[.:][^/]*/)?(redis|valkey|keydb)(:[^/]*)?(@.*)?")
"""Images whose entry point starts the server with the options in `args`: docker-library's and those made after it,
from whatever registry. Of another publisher's nobody knows."""


# --- resources.limits.memory -----------------------------------------------------------------------------------------


def limit_edits(place: Place, size: int) -> Edits | Unread:
    """Raise every memory limit below `size` that is written for the container or its pod.

    A request that equals its limit goes with it: otherwise the pod would lose its QoS class (Guaranteed).
    """
    edits: list[Edit] = []
    for owner in (place.path, place.path[:-2]):
        here = _value(place.document, owner)
        limit = _size(at(here, "resources", "limits", "memory"))
        if limit is None or limit >= size:
            continue
        for kind in ("limits", "requests"):
            if _size(at(here, "resources", kind, "memory")) == limit:
                edit = _scalar(place.document, (*owner, "resources", kind, "memory"), format_quantity(size))
                if isinstance(edit, Unread):
                    return edit
                edits.append(edit)
    if edits:
        return tuple(edits)
    return Unread(str(place), "resources.limits.memory is not written here", "raise it where it is set")


def _size(value: object) -> int | None:
    try:
        return None if value is None else parse_quantity(text(value) or "")
    except UnitError:
        return None


def _value(document: Document, path: Path) -> object:
    value: object = document.value
    for step in path:
        value = sequence(value)[step] if isinstance(step, int) else mapping(value).get(step)
    return value


def _scalar(document: Document, path: Path, value: str) -> Edit | Unread:
    name = ".".join(str(step) for step in path[-3:])
    try:
        spot = find(document, *path)
    except SharedError as error:
        return Unread(f"{document.origin.file} {name_of(document.value)}", str(error), f"set {name} to {value} by hand")
    if spot is None or spot.block:
        return Unread(f"{document.origin.file} {name_of(document.value)}", f"{name} is not written plainly", "by hand")
    return Edit(document.origin, spot.start, spot.end, _quoted(document, value, spot.quote))


def _quoted(document: Document, value: str, quote: str) -> str:
    """A value as it is written beside others of this quote; JSON knows one way."""
    if quote == '"' or document.origin.text.lstrip().startswith("{"):
        return json.dumps(value)
    return f"'{value}'" if quote == "'" else value


# --- maxmemory -------------------------------------------------------------------------------------------------------


def maxmemory_edits(server: Server, place: Place, index: Index, size: int) -> Iterator[tuple[str, Edits]]:
    """(where, edits) of each way to give this server a maxmemory, the nearest to its configuration first."""
    container = mapping(_value(place.document, place.path))
    image = classify(text(container.get("image")) or "")
    number = format_redis_memory(size)
    try:
        yield from _in_config_map(server, place, index, number)
        if variable := _VARIABLES.get((image.family, image.engine)):
            yield from _in_variable(place, container, variable, number)
        for words in _ways(server, number):
            for key in ("args", "command"):
                if container.get(key):
                    yield from _appended(place, key, words)
                    break
            else:
                if _OFFICIAL.fullmatch(image.name):
                    yield from _new_args(place, words)
    except SharedError:
        return


def _ways(server: Server, number: str) -> Iterator[tuple[str, ...]]:
    """The option alone; where any option switches the default save points off (before Redis 6.2), with those too."""
    words = ("--maxmemory", number)
    yield words
    if isinstance(server.config.save, tuple) and server.config.save:
        yield (*words, *(word for point in server.config.save for word in _save(point)))


def _save(point: SavePoint) -> tuple[str, str, str]:
    return "--save", str(point.seconds), str(point.changes)


def _in_config_map(server: Server, place: Place, index: Index, number: str) -> Iterator[tuple[str, Edits]]:
    """In the file that the server reads: over its own `maxmemory 0`, or below the last line that had a say."""
    found = [(name, match) for name, source in server.config.sources.items() if (match := _LINE.fullmatch(source))]
    if not found:
        return
    own = [match for name, match in found if name in ("maxmemory", "maxmemory_policy")]
    match = (own or [max((match for _, match in found), key=lambda match: int(match[3]))])[0]
    document = index.find("ConfigMap", match[1], place.document)
    if isinstance(document, Unread):
        return
    spot = find(document, "data", match[2])
    if spot is None or spot.quote != "|":
        return
    start, end = _line(document.origin.text, document.origin.text.count("\n", 0, spot.start) + int(match[3]))
    line = document.origin.text[start:end]
    indent = line[: len(line) - len(line.lstrip(" "))]
    directive = f"{indent}maxmemory {number}{_end_of_line(line)}"
    replaces = line.split()[:1] == ["maxmemory"]
    yield match[0], (Edit(document.origin, start if replaces else end, end, directive),)


def _line(whole: str, number: int) -> tuple[int, int]:
    """Offsets of a line, counted from 0, with its end."""
    lines = whole.split("\n")
    start = sum(len(line) + 1 for line in lines[:number])
    return start, min(len(whole), start + len(lines[number]) + 1)


def _end_of_line(line: str) -> str:
    return "\r\n" if line.endswith("\r\n") else "\n"


def _in_variable(place: Place, container: object, name: str, number: str) -> Iterator[tuple[str, Edits]]:
    document, path = place.document, place.path
    value = f"--maxmemory {number}"
    items = sequence(mapping(container).get("env"))
    for position, item in enumerate(items):
        if text(at(item, "name")) == name and isinstance(old := at(item, "value"), str):
            edit = _scalar(document, (*path, "env", position, "value"), f"{old} {value}".strip())
            if not isinstance(edit, Unread):
                yield f"env {name}", (edit,)
            return
    written = find(document, *path, "env")
    if written is not None and items and written.block:
        yield f"env {name}", (_appended_item(document, written, f"name: {name}", f'value: "{value}"'),)
    elif written is None and (new := _new_key(place, "env", json.dumps([{"name": name, "value": value}]))):
        yield f"env {name}", (new,)


def _appended(place: Place, key: str, words: Sequence[str]) -> Iterator[tuple[str, Edits]]:
    """Behind the last word of a list."""
    document = place.document
    spot = find(document, *place.path, key)
    if spot is None or not spot.items:
        return
    last = spot.items[-1]
    quote = last.quote if last.quote in ("'", '"') else ""
    written = [_quoted(document, word, quote if quote or not word.isdigit() else '"') for word in words]
    if spot.block:
        yield key, (_appended_item(document, spot, *written, dashes=True),)
    else:
        yield key, (Edit(document.origin, last.end, last.end, "".join(f", {word}" for word in written)),)


def _appended_item(document: Document, spot: Spot, *lines: str, dashes: bool = False) -> Edit:
    """New items below the last one of an indented list; without `dashes` one item of several lines."""
    whole = document.origin.text
    dash = " " * (whole.rindex("-", 0, spot.items[-1].start) - _start_of_line(whole, spot.items[-1].start))
    end = _end_of_item(whole, spot.items[-1])
    between = " " * (spot.items[-1].column - len(dash) - 1)
    marks = [f"{dash}-{between}" if dashes or not number else f"{dash} {between}" for number in range(len(lines))]
    return _below(document, end, [mark + line for mark, line in zip(marks, lines, strict=True)])


def _new_args(place: Place, words: Sequence[str]) -> Iterator[tuple[str, Edits]]:
    if edit := _new_key(place, "args", json.dumps(list(words))):
        yield "args", (edit,)


def _new_key(place: Place, key: str, value: str) -> Edit | None:
    """A new field of the container, behind its image; the value is JSON, and so YAML too."""
    document = place.document
    whole = find(document, *place.path)
    image = find(document, *place.path, "image")
    if whole is None or image is None or image.block:
        return None
    if whole.block:
        return _below(document, _end_of_item(document.origin.text, image), [f"{' ' * image.key_column}{key}: {value}"])
    if document.origin.text.lstrip().startswith("{"):
        key = json.dumps(key)
    return Edit(document.origin, image.end, image.end, f", {key}: {value}")


def _below(document: Document, end: int, lines: Sequence[str]) -> Edit:
    """New lines at the start of the line at `end`; the last line of a text may lack its end."""
    whole = document.origin.text
    eol = "\r\n" if "\r\n" in whole else "\n"
    added = "".join(line + eol for line in lines)
    if whole[:end].endswith("\n"):
        return Edit(document.origin, end, end, added)
    return Edit(document.origin, end, end, eol + added.removesuffix(eol))


def _end_of_item(whole: str, item: Spot) -> int:
    """Where the line after it starts; what the parser calls the end of an indented list has comments in it."""
    while item.block and item.items:
        item = item.items[-1]
    if item.block and whole[: item.end].rstrip(" ").endswith("\n"):
        return _start_of_line(whole, item.end)
    following = whole.find("\n", item.end)
    return len(whole) if following < 0 else following + 1


def _start_of_line(whole: str, position: int) -> int:
    return whole.rfind("\n", 0, position) + 1
