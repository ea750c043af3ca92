"""Shell text → commands: as much of POSIX sh and bash as start scripts of containers use. Pure syntax, no meaning.

Source: POSIX.1-2017, Shell Command Language, 2.3 to 2.10; bash for `[[ ]]`, `function`, arrays and `<<<`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from checker.manifests.shell_tokens import ShellSyntaxError, Token, tokens_of

MAX_NESTING: Final = 50
"""Compound commands within one another; real scripts have about six."""


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


# --- grammar ---------------------------------------------------------------------------------------------------------

_END: Final = frozenset({"then", "do", "done", "fi", "else", "elif", "esac", "}", ")", ";;"})


def parse(text: str) -> Script:
    """Read a script; raise ShellSyntaxError."""
    try:
        parser = _Parser(tokens_of(text))
        script = parser.script()
    except RecursionError as error:
        raise ShellSyntaxError("quotes and brackets nested too deeply") from error
    if parser.position < len(parser.tokens):
        raise ShellSyntaxError(f"{parser.tokens[parser.position].text!r} has nothing to close")
    return script


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
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


def _redirect(token: Token) -> Redirect:
    return Redirect(token.text, token.descriptor, token.target, token.expands)
