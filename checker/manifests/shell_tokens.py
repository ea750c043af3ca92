"""Shell text → words, operators and redirections, here-documents with their text.

Source: POSIX.1-2017, Shell Command Language, 2.2 and 2.3; bash for `<<<`, `&>` and arrays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from checker.deadline import check_deadline


class ShellSyntaxError(ValueError):
    """Text that is not a shell script, or uses what this parser does not know; says where it stopped."""


@dataclass(slots=True)
class Token:
    """A word, an operator, or a redirection with its target (the text, of a here-document)."""

    kind: str  # word | operator | redirect
    text: str
    descriptor: str = ""
    target: str = ""
    expands: bool = True


_OPERATOR: Final = re.compile(r"&&|\|\||;;&|;;|;&|\|&|[;&|()\n]")
_REDIRECT: Final = re.compile(r"(\d*)(<<<|<<-|<<|&>>|&>|>>|>\||[<>]&|[<>])")
_BLANK: Final = re.compile(r"(?:[ \t\r]|\\\r?\n)+")
_PLAIN: Final = re.compile(r"[^\s'\"`$\\;&|()<>]+")
_PLAIN_QUOTED: Final = re.compile(r'[^"\\`$]+')
_NAME: Final = re.compile(r"\w+|[@*#?$!-]", re.ASCII)
_BRACKETED: Final = re.compile(r"[^\\'\"#(){}]+")
_ARRAY: Final = re.compile(r"\w+\+?=\Z", re.ASCII)


def tokens_of(text: str) -> list[Token]:
    """Cut a script into words, operators and redirections; raise ShellSyntaxError."""
    tokens: list[Token] = []
    documents: list[tuple[Token, bool]] = []  # here-documents whose text comes after this line
    position = 0
    while position < len(text):
        check_deadline()
        if blank := _BLANK.match(text, position):
            position = blank.end()
        elif text[position] == "#":
            position = (text.find("\n", position) + len(text) + 1) % (len(text) + 1)
        elif redirect := _REDIRECT.match(text, position):
            start = blank_end(text, redirect.end())
            position = word_end(text, start)
            token = Token("redirect", redirect[2], redirect[1], text[start:position])
            tokens.append(token)
            if redirect[2] in ("<<", "<<-"):
                documents.append((token, redirect[2] == "<<-"))
        elif operator := _OPERATOR.match(text, position):
            tokens.append(Token("operator", operator[0]))
            position = operator.end()
            if operator[0] == "\n":
                for token, indented in documents:
                    position = _here_document(text, position, token, indented)
                documents = []
        else:
            end = word_end(text, position)
            if _ARRAY.match(text[position:end]) and text[end : end + 1] == "(":
                end = word_end(text, closing(text, end, "(", ")"))
            if end == position:
                raise ShellSyntaxError(f"cannot read {text[position : position + 20]!r}")
            tokens.append(Token("word", text[position:end]))
            position = end
    return tokens


def _here_document(text: str, position: int, token: Token, indented: bool) -> int:
    delimiter = re.sub(r"['\"\\]", "", token.target)
    token.expands = delimiter == token.target
    lines = []
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end]
        position = end + 1
        if (line.lstrip("\t") if indented else line).rstrip("\r") == delimiter:
            break
        lines.append(line.lstrip("\t") if indented else line)
    token.text = "<<"
    token.target = "\n".join(lines)
    return min(position, len(text))


def blank_end(text: str, position: int) -> int:
    """Where the blanks that begin here end."""
    match = _BLANK.match(text, position)
    return match.end() if match else position


def word_end(text: str, position: int) -> int:
    """Where the word that begins here ends, quotes and substitutions and all."""
    while position < len(text):
        character = text[position]
        if plain := _PLAIN.match(text, position):
            position = plain.end()
        elif character == "\\":
            position += 2
        elif character == "'":
            position = _find(text, "'", position + 1) + 1
        elif character == '"':
            position = quoted_end(text, position)
        elif character == "`":
            position = _find(text, "`", position + 1) + 1
        elif character == "$":
            position = dollar_end(text, position)
        else:
            break
    return min(position, len(text))


def quoted_end(text: str, position: int) -> int:
    """Where the double-quoted part that begins here ends, its quotes included."""
    position += 1
    while position < len(text) and text[position] != '"':
        if plain := _PLAIN_QUOTED.match(text, position):
            position = plain.end()
        elif text[position] == "\\":
            position += 2
        elif text[position] == "`":
            position = _find(text, "`", position + 1) + 1
        else:
            position = dollar_end(text, position)
    if position >= len(text):
        raise ShellSyntaxError("a double quote is never closed")
    return position + 1


def dollar_end(text: str, position: int) -> int:
    """Where the expansion that begins here with a dollar ends."""
    following = text[position + 1 : position + 2]
    if following == "(":
        return closing(text, position + 1, "(", ")")
    if following == "{":
        return closing(text, position + 1, "{", "}")
    if following == "'":
        end = position + 2
        while end < len(text) and text[end] != "'":
            end += 2 if text[end] == "\\" else 1
        return end + 1
    match = _NAME.match(text, position + 1)
    return match.end() if match else position + 1


def closing(text: str, position: int, opening: str, close: str) -> int:
    """Where the bracket that opens here is closed, with quotes and inner brackets passed over."""
    depth = 0
    while position < len(text):
        character = text[position]
        if plain := _BRACKETED.match(text, position):
            position = plain.end()
            continue
        if character == "\\":
            position += 1
        elif character == "'" and close == ")":
            position = _find(text, "'", position + 1)
        elif character == '"':
            position = quoted_end(text, position) - 1
        elif character == "#" and close == ")" and text[position - 1].isspace():
            position = _find(text, "\n", position)
        elif character == opening:
            depth += 1
        elif character == close:
            depth -= 1
            if not depth:
                return position + 1
        position += 1
    raise ShellSyntaxError(f"{opening} is never closed")


def _find(text: str, what: str, position: int) -> int:
    found = text.find(what, position)
    if found < 0:
        raise ShellSyntaxError(f"{what} is never closed")
    return found
