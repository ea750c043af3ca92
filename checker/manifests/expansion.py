"""Words of a shell script → text: quotes, parameters, arrays; tests; sed. Unknown parts become RUN_TIME."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from checker.deadline import check_deadline
from checker.manifests.shell_tokens import dollar_end, quoted_end, word_end
from checker.probes.redis_conf import RUN_TIME

ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?(\+?=)", re.ASCII)

Variables: TypeAlias = Mapping[str, "str | tuple[str, ...]"]
Substitute: TypeAlias = Callable[[str], str]

_PLAIN: Final = re.compile(r"[^\\'\"`$]+")
_PLAIN_QUOTED: Final = re.compile(r"[^\\$`][^\\$`]*|\\")
_LITERAL: Final = re.compile(r"[^\\'\"`${]*")

MAX_TEXT: Final = 64 * 1024
"""Characters that one word may grow to: `x=$x$x` doubles."""

MAX_FIELDS: Final = 1_000
"""Words that one word may become."""

MAX_BRACES: Final = 64
"""Words that one {a..b} may make."""


def value_of(variables: Variables, name: str) -> str:
    """A variable's text; what nothing sets may still come from the image: RUN_TIME."""
    value = variables.get(name, RUN_TIME)
    return value if isinstance(value, str) else (value[0] if value else "")


def expand(raw: str, variables: Variables, positional: Sequence[str], substitute: Substitute) -> list[str]:
    """The words that one raw word becomes: none, one, or many where an unquoted value has blanks, or an array."""
    return [
        word for part in _braces(raw) for word in _Expander(variables, positional, substitute, splits=True).run(part)
    ]


def expand_text(raw: str, variables: Variables, positional: Sequence[str], substitute: Substitute) -> str:
    """The same, never split: as in an assignment."""
    return " ".join(_Expander(variables, positional, substitute, splits=False).run(raw))


def array_words(raw: str) -> list[str]:
    """The raw words between the brackets of `(a "b c" d)`."""
    inner, words, position = raw[1:-1], [], 0
    while position < len(inner):
        if inner[position].isspace():
            position += 1
        elif inner[position] == "#":
            position = (inner.find("\n", position) + len(inner) + 1) % (len(inner) + 1)
        else:
            end = max(word_end(inner, position), position + 1)
            words.append(inner[position:end])
            position = end
    return words


def _braces(raw: str) -> list[str]:
    """`a{1..3}b`; other brace lists are rare in start scripts, and stay as they are."""
    match = re.fullmatch(r"([^{}$'\"]*)\{(\d{1,6})\.\.(\d{1,6})\}([^{}$'\"]*)", raw, re.ASCII)
    if match is None:
        return [raw]
    first, last = int(match[2]), int(match[3])
    numbers = range(first, last + 1) if first <= last else range(first, last - 1, -1)
    return [f"{match[1]}{number}{match[4]}" for number in numbers[:MAX_BRACES]]


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position + 1


class _Expander:
    """Expands one word: the fields that are done, and the one that grows."""

    def __init__(
        self, variables: Variables, positional: Sequence[str], substitute: Substitute, *, splits: bool
    ) -> None:
        self.variables = variables
        self.positional = positional
        self.substitute = substitute
        self.splits = splits
        self.fields: list[str] = []
        self.current: list[str] | None = None  # the parts of the field that grows
        self.room = MAX_TEXT

    def run(self, raw: str) -> list[str]:
        position = 0
        while position < len(raw):
            check_deadline()
            character = raw[position]
            if character == "\\":
                self.add("" if raw[position + 1 : position + 2] == "\n" else raw[position + 1 : position + 2])
                position += 2
            elif character == "'":
                end = raw.find("'", position + 1)
                end = len(raw) if end < 0 else end
                self.add(raw[position + 1 : end])
                position = end + 1
            elif character == '"':
                end = quoted_end(raw, position)
                self.quoted(raw[position + 1 : end - 1])
                position = end
            elif character == "`":
                end = raw.find("`", position + 1)
                self.add_split(self.substitute(raw[position + 1 : end]))
                position = end + 1 if end >= 0 else len(raw)
            elif character == "$":
                end = dollar_end(raw, position)
                self.dollar(raw[position:end], quoted=False)
                position = end
            else:
                end = _end(_PLAIN, raw, position)
                self.add(raw[position:end])
                position = end
        self.end_field()
        return self.fields

    def quoted(self, inner: str) -> None:
        self.add("")
        position = 0
        while position < len(inner):
            if inner[position] == "\\" and inner[position + 1 : position + 2] in ('"', "\\", "$", "`", "\n"):
                self.add(inner[position + 1].replace("\n", ""))
                position += 2
            elif inner[position] == "$":
                end = dollar_end(inner, position)
                self.dollar(inner[position:end], quoted=True)
                position = end
            elif inner[position] == "`":
                end = inner.find("`", position + 1)
                self.add(self.substitute(inner[position + 1 : end]))
                position = end + 1 if end >= 0 else len(inner)
            else:
                end = _end(_PLAIN_QUOTED, inner, position)
                self.add(inner[position:end])
                position = end

    def add(self, text: str) -> None:
        if self.current is None:
            self.current = []
        self.room -= len(text)
        if self.room >= 0:
            self.current.append(text)
        elif RUN_TIME not in self.current[-1:]:
            self.current.append(RUN_TIME)

    def end_field(self) -> None:
        if self.current is not None and len(self.fields) < MAX_FIELDS:
            self.fields.append("".join(self.current))
        self.current = None

    def add_split(self, text: str) -> None:
        if not self.splits:
            self.add(text)
            return
        pieces = re.split(r"([ \t\n]+)", text)
        for piece in pieces:
            if not piece:
                continue
            if piece.isspace():
                self.end_field()
            else:
                self.add(piece)

    def add_list(self, items: Sequence[str], *, quoted: bool) -> None:
        for index, item in enumerate(items):
            if index:
                self.end_field()
            if quoted:
                self.add(item)
            else:
                self.add_split(item)

    def dollar(self, raw: str, *, quoted: bool) -> None:
        """`$name`, `${…}`, `$(…)`, `$((…))`, `$'…'`."""
        if raw.startswith("$'"):
            self.add(raw[2:-1].replace("\\n", "\n").replace("\\t", "\t"))
            return
        if raw.startswith("$(("):
            self.add(arithmetic(self.word(_bare_names(raw[3:-2]))))
            return
        if raw.startswith("$("):
            inner = raw[2:-1].strip()
            text = self.substitute(f"cat {inner[1:]}" if inner.startswith("<") else inner)
            self.add(text) if quoted else self.add_split(text)
            return
        name = raw[1:] if not raw.startswith("${") else raw[2:-1]
        if name in ("@", "*"):
            self.empty_list(self.positional, quoted=quoted)
            return
        if array := re.fullmatch(r"(\w+)\[[@*]\]", name, re.ASCII):
            value = self.variables.get(array[1], ())
            self.empty_list(value if isinstance(value, tuple) else (value,), quoted=quoted)
            return
        text = self.parameter(name) if raw.startswith("${") else self.lookup(name)
        self.add(text) if quoted else self.add_split(text)

    def empty_list(self, items: Sequence[str], *, quoted: bool) -> None:
        """`"$@"` of nothing is no word at all, not an empty one."""
        if not items and quoted and self.current is not None and not "".join(self.current):
            self.current = None
        self.add_list(items, quoted=quoted)

    def lookup(self, name: str) -> str:
        if name.isdigit():
            number = int(name)
            if number == 0:
                return RUN_TIME
            return self.positional[number - 1] if number <= len(self.positional) else ""
        if name == "#":
            return str(len(self.positional))
        return RUN_TIME if name in "?$!-" else value_of(self.variables, name)

    def parameter(self, name: str) -> str:
        """`${name:-word}` and its like; patterns are followed where they are plain."""
        match = re.match(r"(\w+)(?:\[(\d+)\])?(:?[-=+?]|##?|%%?|//?|\^\^?|,,?)?", name, re.ASCII)
        if match is None:
            return RUN_TIME  # ${!name}, ${#name}
        rest = name[match.end() :]
        is_set = match[1] in self.variables or (match[1].isdigit() and int(match[1]) <= len(self.positional))
        value = self.lookup(match[1])
        if match[2]:
            held = self.variables.get(match[1], ())
            value = held[int(match[2])] if isinstance(held, tuple) and int(match[2]) < len(held) else RUN_TIME
        operator = match[3] or ""
        if operator.lstrip(":") in ("-", "="):
            unset = not is_set or (operator.startswith(":") and not value)
            return self.word(rest) if unset else value
        if operator.lstrip(":") == "+":
            return self.word(rest) if is_set and value else ""
        if operator in ("", "?", ":?"):
            return value
        return RUN_TIME if value else ""

    def word(self, raw: str) -> str:
        return expand_text(raw, self.variables, self.positional, self.substitute)


# --- arithmetic ------------------------------------------------------------------------------------------------------

_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: int.__add__,
    ast.Sub: int.__sub__,
    ast.Mult: int.__mul__,
    ast.FloorDiv: int.__floordiv__,
    ast.Mod: int.__mod__,
}

MAX_INTEGER: Final = 2**63


def _bare_names(expression: str) -> str:
    """`limit * 80` as `$limit * 80`: the dollar may be left out in there."""
    return re.sub(r"(?<![\w${])([A-Za-z_]\w*)", r"$\1", expression)


def arithmetic(expression: str) -> str:
    """The value of whole numbers with + - * / % and brackets (of positive ones: the shell rounds to zero)."""
    try:
        value = _calculated(ast.parse(expression.strip().replace("/", "//"), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return RUN_TIME
    return str(value)


def _calculated(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.BinOp) and (operation := _OPERATIONS.get(type(node.op))):
        value = operation(_calculated(node.left), _calculated(node.right))
        if 0 <= value < MAX_INTEGER:
            return value
    raise ValueError("not followed")


# --- tests -----------------------------------------------------------------------------------------------------------


MAX_TEST_WORDS: Final = 60


def test(words: Sequence[str], exists: Callable[[str], bool | None]) -> bool | None:
    """`[ … ]` and `[[ … ]]`; None where the answer depends on the running pod."""
    if len(words) > MAX_TEST_WORDS:
        return None
    for operator, absorbing in (("||", True), ("-o", True), ("&&", False), ("-a", False)):
        if operator in words[1:-1]:
            index = list(words).index(operator)
            sides = (test(words[:index], exists), test(words[index + 1 :], exists))
            return absorbing if absorbing in sides else None if None in sides else not absorbing
    if words and words[0] == "!":
        inner = test(words[1:], exists)
        return None if inner is None else not inner
    if len(words) == 1:
        return None if RUN_TIME in words[0] else bool(words[0])
    if len(words) == 2:
        return _unary(words[0], words[1], exists)
    if len(words) == 3:
        return _binary(*words)
    return None if words else False


def _unary(operator: str, operand: str, exists: Callable[[str], bool | None]) -> bool | None:
    if operator in ("-f", "-e", "-s", "-r", "-d", "-x", "-L", "-h"):
        return exists(operand)
    if operator in ("-n", "-z"):
        if RUN_TIME in operand and not operand.replace(RUN_TIME, ""):
            return None
        return bool(operand) is (operator == "-n")
    return None


def _binary(left: str, operator: str, right: str) -> bool | None:
    if RUN_TIME in left + right:
        return None
    if operator in ("=", "==", "!="):
        return (left == right) is (operator != "!=")
    numbers = {"-eq": int.__eq__, "-ne": int.__ne__, "-lt": int.__lt__, "-le": int.__le__, "-gt": int.__gt__}
    if (compare := numbers.get(operator)) and re.fullmatch(r"-?\d{1,18} -?\d{1,18}", f"{left} {right}", re.ASCII):
        return bool(compare(int(left), int(right)))
    return None
