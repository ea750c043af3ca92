"""What makes an unsafe server not unsafe, as an edit of its manifest that was tried before it is proposed. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from checker.facts import Server, Unread
from checker.manifests import Place, Text, extract, pod_spec
from checker.manifests.documents import Document
from checker.manifests.edits import Edits, limit_edits, maxmemory_edits
from checker.manifests.files import BOM
from checker.manifests.objects import Index
from checker.manifests.spots import Edit, SharedError, find
from checker.policy import Assumptions, Policy
from checker.rules import judge
from checker.units import format_quantity, format_redis_memory
from checker.verdict import Verdict

_CHANGED: Final = ("maxmemory", "maxmemory_follows_limit", "sources")
"""Fields of a Config that a fix may change."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One server's change."""

    verdict: Verdict  # as it was
    what: str  # "maxmemory 92mb in args"
    edits: Edits

    def __str__(self) -> str:
        bounded = self.verdict.recommendation.limit_bytes is None
        full = bounded and self.verdict.server.config.maxmemory_policy == "noeviction"
        return self.what + ("; maxmemory-policy is noeviction: when it is full, writes fail" if full else "")

    @property
    def files(self) -> set[str]:
        """Files that it changes."""
        return {edit.origin.file for edit in self.edits}


@dataclass(frozen=True, slots=True)
class Unfixed:
    """A server that stays unsafe, and why no edit was found."""

    verdict: Verdict
    why: Unread


Answer: TypeAlias = Fix | Unfixed


def fixes(
    judged: Sequence[tuple[Verdict, Place]], index: Index, assumptions: Assumptions, policy: Policy
) -> Iterator[Answer]:
    """One answer for each unsafe server, in order. Where two would change one place, the first change has to do."""
    taken: list[Edit] = []
    for verdict, place in judged:
        if verdict.grade != "unsafe":
            continue
        trial = _Trial(place, index, assumptions, policy)
        answer = _fix(verdict, place, trial)
        if isinstance(answer, Fix):
            there = tuple(other for other in taken if any(_overlap(edit, other) for edit in answer.edits))
            if there and trial.holds(verdict.server, there):
                answer = replace(answer, what="the same change as for another server", edits=there)
            elif there:
                why = Unread(str(place), "another server needs the same place changed", "apply that, and lint again")
                answer = Unfixed(verdict, why)
            else:
                taken += answer.edits
        yield answer


def _overlap(one: Edit, other: Edit) -> bool:
    if _key(one.origin) != _key(other.origin):
        return False
    return one.start == other.start or (one.start < other.end and other.start < one.end)


def _fix(verdict: Verdict, place: Place, trial: _Trial) -> Fix | Unfixed:
    """The first edit with which the verdict, judged anew, is not unsafe and nothing else of the server has changed."""
    wanted = verdict.recommendation
    if wanted.limit_bytes is not None:
        edits = limit_edits(place, wanted.limit_bytes)
        if isinstance(edits, Unread):
            return Unfixed(verdict, edits)
        what = f"resources.limits.memory {format_quantity(wanted.limit_bytes)}"
        ways: Sequence[tuple[str, Edits]] = [(what, edits)]
    elif wanted.maxmemory_bytes is not None:
        size = format_redis_memory(wanted.maxmemory_bytes)
        ways = [
            (f"maxmemory {size} in {where}", edits)
            for where, edits in maxmemory_edits(verdict.server, place, trial.index, wanted.maxmemory_bytes)
        ]
    else:
        return Unfixed(verdict, Unread(str(place), "no one number makes a save fit", "see the findings"))
    for what, edits in ways:
        if trial.holds(verdict.server, edits):
            return Fix(verdict, what, edits)
    return Unfixed(verdict, _why_not(verdict, place, bool(ways)))


def _why_not(verdict: Verdict, place: Place, tried: bool) -> Unread:
    if verdict.recommendation.limit_bytes is not None:
        return Unread(str(place), "with a higher limit alone a save does not fit", "see the findings")
    size = format_redis_memory(verdict.recommendation.maxmemory_bytes or 0)
    if pod_spec(place.document.value) is None:
        why = f"how the server is started is up to the operator of this {place.document.value.get('kind')}"
    elif tried:
        why = "a shell script, or the image, stands between these arguments and the server"
    else:
        why = "where the server reads its configuration is not written plainly in the input"
    return Unread(str(place), why, f"set maxmemory {size} where the server reads it")


class _Trial:
    """The documents that one server is read from, to be read again with an edit."""

    def __init__(self, place: Place, index: Index, assumptions: Assumptions, policy: Policy) -> None:
        self.index = index
        self._place = place
        self._assumptions = assumptions
        self._policy = policy
        text = place.document.origin.text
        named = [document for (kind, name), held in index.held.items() for document in held]
        near = [each for each in named if each.value.get("kind") == "LimitRange" or _is_named(each, text)]
        self._pieces = [_piece(document) for document in (place.document, *near)]
        self._before: Server | None = None

    def holds(self, server: Server, edits: Edits) -> bool:
        """Is the server, read from the edited documents, not unsafe, and the same in all that was not to change?"""
        self._before = self._before or self._read(())
        after = self._read(edits)
        if self._before is None or after is None or not _same_but_for_memory(self._before, after):
            return False
        changed = {name: getattr(after.config, name) for name in _CHANGED}
        config = replace(server.config, **changed)
        verdict = judge(replace(server, limit=after.limit, config=config), None, self._assumptions, self._policy)
        return verdict.grade != "unsafe"

    def _read(self, edits: Edits) -> Server | None:
        texts = [piece.edited(edits) for piece in self._pieces]
        extraction = extract(texts, self._policy.engines)
        for server, place in zip(extraction.servers, extraction.places, strict=True):
            if place.document.origin is texts[0] and place.path == self._place.path:
                return server
        return None


@dataclass(frozen=True, slots=True)
class _Piece:
    """One object's own text, to be read without the List around it."""

    whole: Text
    start: int  # where in the whole
    indent: int  # blanks in front, so that its first line stands as it stood
    length: int

    def edited(self, edits: Edits) -> Text:
        """The object's text with those of the edits that are inside it."""
        inside = [edit for edit in edits if _key(edit.origin) == _key(self.whole) and self._has(edit)]
        text = self.whole.text[self.start : self.start + self.length]
        changed = _edited(text, [(edit.start - self.start, edit.end - self.start, edit.text) for edit in inside])
        return replace(self.whole, text=" " * self.indent + changed)

    def _has(self, edit: Edit) -> bool:
        return self.start <= edit.start and edit.end <= self.start + self.length


def _piece(document: Document) -> _Piece:
    whole = document.origin
    try:
        spot = find(document) if document.path else None
    except SharedError:
        spot = None  # an anchor elsewhere in the List: no edit will be found either
    if spot is None:
        return _Piece(whole, 0, 0, len(whole.text))
    return _Piece(whole, spot.start, spot.column, spot.end - spot.start)


def _is_named(document: Document, text: str) -> bool:
    metadata = document.value.get("metadata")
    return isinstance(metadata, Mapping) and str(metadata.get("name")) in text


def _key(origin: Text) -> tuple[str, int]:
    return origin.file, origin.line


def _same_but_for_memory(before: Server, after: Server) -> bool:
    config = replace(after.config, **{name: getattr(before.config, name) for name in _CHANGED})
    return (config, after.engine, after.volume, after.declared) == (
        before.config,
        before.engine,
        before.volume,
        before.declared,
    )


# --- texts and differences -------------------------------------------------------------------------------------------


def edited_file(whole: str, edits: Sequence[Edit]) -> str | None:
    """A file's text with the edits of its documents; None where it is not the text that they were made for."""
    offset = len(BOM) if whole.startswith(BOM) else 0
    starts = [offset]
    for line in whole[offset:].split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    placed = []
    for edit in edits:
        start = starts[edit.origin.line - 1] if edit.origin.line <= len(starts) else len(whole)
        # The dashes of a separator stand as blanks in the document's text.
        if whole[start + 3 : start + len(edit.origin.text)] != edit.origin.text[3:]:
            return None
        placed.append((start + edit.start, start + edit.end, edit.text))
    return _edited(whole, placed)


def _edited(whole: str, edits: Sequence[tuple[int, int, str]]) -> str:
    for start, end, text in sorted(set(edits), reverse=True):
        whole = whole[:start] + text + whole[end:]
    return whole


def difference(file: str, before: str, after: str) -> str:
    """A unified diff that `git apply` and `patch -p1` take."""
    name = file.lstrip("/")
    lines = []
    for line in difflib.unified_diff(_lines(before), _lines(after), f"a/{name}", f"b/{name}"):
        lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def _lines(whole: str) -> list[str]:
    """Lines with their ends; only a line feed ends one, as in a patch."""
    parts = whole.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
