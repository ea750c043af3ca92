"""What `sed` makes of the lines of a file, for the few commands that start scripts use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from checker.deadline import check_deadline
from checker.manifests.virtual_files import Line, Lines
from checker.probes.redis_conf import RUN_TIME

_SED: Final = re.compile(r"(?:/((?:\\.|[^/\\])*)/|(\d+)|(\$))?\s*(?:(d|p)|([aic])\\?\s*(.*)|s(.)(.*))\Z", re.DOTALL)


MAX_SED_COMMANDS: Final = 50
MAX_SED_LINE: Final = 200
MAX_SED_REPEATS: Final = 3
"""Together they bound what backtracking can cost to about 200 cubed steps a line."""


def sed(lines: Lines, programs: Sequence[str], where: str) -> Lines:
    """What sed makes of lines. A program that is not understood changes them in unknown ways: a RUN_TIME line at the
    end says so, after which nothing before it counts."""
    for program in programs:
        for command in [part.strip() for part in re.split(r"(?<!\\)\n", program)][:MAX_SED_COMMANDS]:
            match = _SED.match(command)
            changed = _sed_lines(lines, match, where) if match else None
            lines = (*lines, Line(RUN_TIME, where)) if changed is None else changed
    return lines


def _sed_lines(lines: Lines, match: re.Match[str], where: str) -> Lines | None:
    pattern = _basic(match[1]) if match[1] else None
    if match[1] and pattern is None:
        return None
    address = re.compile(pattern) if pattern else None
    changed: list[Line] = []
    for number, line in enumerate(lines, start=1):
        check_deadline()
        selected = (
            address.search(line.text[:MAX_SED_LINE]) is not None
            if address
            else number == int(match[2])
            if match[2]
            else number == len(lines) or not match[3]
        )
        if not selected or match[4] == "p":
            changed.append(line)
        elif match[5]:
            added = Line(match[6], where)
            changed += {"a": [line, added], "i": [added, line], "c": [added]}[match[5]]
        elif match[7]:
            text = _sed_replace(line.text, match[7], match[8])
            if text is None:
                return None
            changed.append(line if text == line.text else Line(text, where))
    return tuple(changed)


def _sed_replace(text: str, separator: str, rest: str) -> str | None:
    parts = re.split(rf"(?<!\\){re.escape(separator)}", rest)
    pattern = _basic(parts[0])
    if len(parts) != 3 or pattern is None:
        return None
    if len(text) > MAX_SED_LINE:
        return text

    def literal(found: re.Match[str]) -> str:
        escaped = found[1]
        return "\\g<0>" if not escaped else f"\\{escaped}" if escaped.isdigit() else re.escape(escaped)

    flags = re.IGNORECASE if "i" in parts[2].lower() else 0
    try:
        replacement = re.sub(r"\\(.)|&", literal, parts[1])
        return re.sub(pattern, replacement, text, count=0 if "g" in parts[2] else 1, flags=flags)
    except (re.error, IndexError):
        return None


def _basic(pattern: str) -> str | None:
    """A basic regular expression as Python writes it: there, `\\(` groups and `(` is a bracket.

    None where it could take for ever: the text comes from anybody.
    """
    swapped = re.sub(r"\\([(){}+?|/])|([(){}+?|])", lambda found: found[1] or f"\\{found[2]}", pattern)
    swapped = swapped.replace("[[:space:]]", r"\s")
    if len(re.findall(r"(?<!\\)[*+{]", swapped)) > MAX_SED_REPEATS or re.search(r"(?<!\\)\)[*+{?]", swapped):
        return None
    try:
        re.compile(swapped)
    except (re.error, OverflowError, RecursionError):
        return None
    return swapped
