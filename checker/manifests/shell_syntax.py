"""Shell text → commands: as much of POSIX sh and bash as start scripts of containers use. Pure syntax, no meaning.

Source: POSIX.1-2017, Shell Command Language, 2.3 to 2.10; bash for `[[ ]]`, `function`, arrays and `<<<`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

MAX_NESTING: Final = 50
"""Compound commands within one another; real scripts have about six."""


class ShellSyntaxError(ValueError):
    """Text that is not a shell script, or uses what this parser does not know; says where it stopped."""


@dataclass(frozen=True, slots=True)
class Redirect:
    operator: str  # > >> >| < << <<< &> &>>
    descriptor: str  # "" where none is written
    target: str  # a raw word; the text of a here-document
    expands: bool = True  # False: a here-document with a quoted delimiter


@dataclass(frozen=True, slots=True)
class Simple:
    words: tuple[str, ...]  # raw: quotes and dollars as they are written, assignments included
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    commands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AndOr:
    first: Node
    rest: tuple[tuple[str, Node], ...]  # ("&&" or "||", command)


@dataclass(frozen=True, slots=True)
class Not:
    command: Node


@dataclass(frozen=True, slots=True)
class If:
    clauses: tuple[tuple[Script, Script], ...]
    otherwise: Script
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    condition: Script
    body: Script
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    variable: str
    words: tuple[str, ...]
    body: Script
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    word: str
    arms: tuple[tuple[tuple[str, ...], Script], ...]
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    body: Script
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    body: Node


Node: TypeAlias = "Simple | Pipeline | AndOr | Not | If | Loop | For | Case | Group | Function"
Script: TypeAlias = "tuple[Node, ...]"


# --- tokens ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Token:
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


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    documents: list[tuple[_Token, bool]] = []  # here-documents whose text comes after this line
    position = 0
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = blank.end()
        elif text[position] == "#":
            position = (text.find("\n", position) + len(text) + 1) % (len(text) + 1)
        elif redirect := _REDIRECT.match(text, position):
            start = blank_end(text, redirect.end())
            position = word_end(text, start)
            token = _Token("redirect", redirect[2], redirect[1], text[start:position])
            tokens.append(token)
            if redirect[2] in ("<<", "<<-"):
                documents.append((token, redirect[2] == "<<-"))
        elif operator := _OPERATOR.match(text, position):
            tokens.append(_Token("operator", operator[0]))
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
            tokens.append(_Token("word", text[position:end]))
            position = end
    return tokens


def _here_document(text: str, position: int, token: _Token, indented: bool) -> int:
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


# --- grammar ---------------------------------------------------------------------------------------------------------

_END: Final = frozenset({"then", "do", "done", "fi", "else", "elif", "esac", "}", ")", ";;"})


def parse(text: str) -> Script:
    """Read a script; raise ShellSyntaxError."""
    try:
        parser = _Parser(_tokens(text))
        script = parser.script()
    except RecursionError as error:
        raise ShellSyntaxError("quotes and brackets nested too deeply") from error
    if parser.position < len(parser.tokens):
        raise ShellSyntaxError(f"{parser.tokens[parser.position].text!r} has nothing to close")
    return script


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0

    def peek(self, offset: int = 0) -> str:
        """Text of a token that means something as it stands (operator or word), "" at the end."""
        index = self.position + offset
        return self.tokens[index].text if index < len(self.tokens) and self.tokens[index].kind != "redirect" else ""

    def at_end(self) -> bool:
        return self.position >= len(self.tokens)

    def take(self, *expected: str) -> str:
        text = self.peek()
        if self.at_end() or (expected and text not in expected):
            raise ShellSyntaxError(f"expected {' or '.join(expected)}, found {text or 'the end'!r}")
        self.position += 1
        return text

    def skip(self, *texts: str) -> None:
        while not self.at_end() and self.peek() in texts:
            self.position += 1

    def script(self) -> Script:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ShellSyntaxError(f"nested deeper than {MAX_NESTING}")
        nodes: list[Node] = []
        self.skip("\n", ";", "&")
        while not self.at_end() and self.peek() not in _END and self.peek() not in (";;&", ";&"):
            nodes.append(self.and_or())
            self.skip("\n", ";", "&")
        self.depth -= 1
        return tuple(nodes)

    def and_or(self) -> Node:
        first, rest = self.pipeline(), []
        while self.peek() in ("&&", "||"):
            operator = self.take()
            self.skip("\n")
            rest.append((operator, self.pipeline()))
        return AndOr(first, tuple(rest)) if rest else first

    def pipeline(self) -> Node:
        if self.peek() == "!":
            self.take()
            return Not(self.pipeline())
        commands = [self.command()]
        while self.peek() in ("|", "|&"):
            self.take()
            self.skip("\n")
            commands.append(self.command())
        return Pipeline(tuple(commands)) if len(commands) > 1 else commands[0]

    def command(self) -> Node:
        word = self.peek()
        if word == "if":
            return self.conditional()
        if word in ("while", "until"):
            self.take()
            condition = self.script()
            self.take("do")
            body = self.script()
            self.take("done")
            return Loop(condition, body, self.redirects())
        if word in ("for", "select"):
            return self.for_loop()
        if word == "case":
            return self.case()
        if word in ("{", "("):
            self.take()
            body = self.script()
            self.take("}" if word == "{" else ")")
            return Group(body, self.redirects())
        if word == "function" or (self.peek(1) == "(" and self.peek(2) == ")"):
            return self.function()
        return self.simple()

    def conditional(self) -> If:
        clauses: list[tuple[Script, Script]] = []
        otherwise: Script = ()
        self.take("if")
        while True:
            condition = self.script()
            self.take("then")
            clauses.append((condition, self.script()))
            word = self.take("elif", "else", "fi")
            if word == "else":
                otherwise = self.script()
                self.take("fi")
            if word != "elif":
                return If(tuple(clauses), otherwise, self.redirects())

    def for_loop(self) -> Node:
        self.take("for", "select")
        if self.peek() == "(":  # for ((i = 0; …)): what it counts is not worth following
            while self.peek() != "do":
                self.take()
            variable, words = "", ["\ue000"]
        else:
            variable, words = self.take(), ['"$@"']
            self.skip("\n")
            if self.peek() == "in":
                self.take()
                words = []
                while self.peek() not in (";", "\n"):
                    words.append(self.take())
        self.skip("\n", ";")
        self.take("do")
        body = self.script()
        self.take("done")
        return For(variable, tuple(words), body, self.redirects())

    def case(self) -> Case:
        self.take("case")
        word = self.take()
        self.skip("\n")
        self.take("in")
        arms: list[tuple[tuple[str, ...], Script]] = []
        self.skip("\n")
        while self.peek() != "esac":
            self.skip("(")
            patterns = [self.take()]
            while self.peek() == "|":
                self.take()
                patterns.append(self.take())
            self.take(")")
            arms.append((tuple(patterns), self.script()))
            self.skip(";;", ";;&", ";&", "\n")
        self.take("esac")
        return Case(word, tuple(arms), self.redirects())

    def function(self) -> Function:
        if self.peek() == "function":
            self.take()
        name = self.take()
        self.skip("(", ")", "\n")
        return Function(name, self.command())

    def redirects(self) -> tuple[Redirect, ...]:
        found = []
        while not self.at_end() and self.tokens[self.position].kind == "redirect":
            found.append(_redirect(self.tokens[self.position]))
            self.position += 1
        return tuple(found)

    def simple(self) -> Simple:
        words: list[str] = []
        redirects: list[Redirect] = []
        test = self.peek() == "[["
        while not self.at_end():
            token = self.tokens[self.position]
            if token.kind == "redirect" and not test:
                redirects.append(_redirect(token))
            elif token.kind == "word" or (test and token.text != "\n"):
                words.append(token.text if token.kind == "word" else token.text + token.target)
                if test and token.text == "]]":
                    test = False
            elif not (test and token.text == "\n"):
                break
            self.position += 1
        if not words and not redirects:
            raise ShellSyntaxError(f"a command cannot begin with {self.peek() or 'nothing'!r}")
        return Simple(tuple(words), tuple(redirects))


def _redirect(token: _Token) -> Redirect:
    return Redirect(token.text, token.descriptor, token.target, token.expands)
