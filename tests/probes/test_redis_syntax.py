from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Maybe, Unread
from checker.probes.redis_syntax import (
    MAX_INCLUDED_FILES,
    Directive,
    parse,
    parse_arguments,
    split_arguments,
)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("save 900 1", ("save", "900", "1"), id="plain"),
        pytest.param(' \t dir\v "/a b" ', ("dir", "/a b"), id="quotes and blanks"),
        pytest.param(r'x "\x41\n\q"', ("x", "A\nq"), id="escapes in double quotes"),
        pytest.param(r"x 'a\'b\n'", ("x", r"a'b\n"), id="only the quote is escaped in single quotes"),
        pytest.param('maxmemory 10"0mb"', ("maxmemory", "100mb"), id="quotes in the middle of a word"),
        pytest.param('save ""', ("save", ""), id="an empty word"),
        pytest.param("", (), id="nothing"),
        pytest.param('maxmemory "100mb', None, id="never closed"),
        pytest.param(r"x 'a\'", None, id="the closing quote is escaped"),
        pytest.param('maxmemory "100"mb', None, id="text right behind the quote"),
    ],
)
def test_words_are_split_as_sdssplitargs_does(line: str, words: tuple[str, ...] | None) -> None:
    assert split_arguments(line) == words


@given(st.text(max_size=60))
def test_splitting_never_fails_and_keeps_plain_words(line: str) -> None:
    words = split_arguments(line)
    if words is not None and not set(line) & set("\"'\\\0"):
        assert words == tuple(
            word for word in line.translate(dict.fromkeys(map(ord, "\t\n\v\f\r"), " ")).split(" ") if word
        )


def test_a_file_gives_its_lines_in_order_with_their_places() -> None:
    directives, problems = parse("# c\n\nMaxMemory 1gb\r\nslaveof a 1\n  # c\n", "/etc/r.conf")
    assert directives == (
        Directive("maxmemory", ("1gb",), "/etc/r.conf line 3"),
        Directive("replicaof", ("a", "1"), "/etc/r.conf line 4"),
    )
    assert problems == ()


def test_old_names_are_read_as_the_new_ones() -> None:
    text = "min-slaves-to-write 1\nslave-read-only no\nclient-output-buffer-limit slave 1gb 1gb 1"
    names = [(directive.name, directive.args[0]) for directive in parse(text, "f")[0]]
    assert names == [
        ("min-replicas-to-write", "1"),
        ("replica-read-only", "no"),
        ("client-output-buffer-limit", "replica"),
    ]


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        pytest.param('dir /a\nmaxmemory "1gb', "f line 2", "unbalanced quotes", id="quotes"),
        pytest.param("\ufeffmaxmemory 1gb", "f line 1", "byte order mark", id="BOM"),
        pytest.param("maxmemory 1gb\0\n", "f", "NUL", id="NUL"),
        pytest.param("include other.conf", "f line 1", "not read", id="include that nobody reads"),
    ],
)
def test_what_redis_would_refuse_is_a_problem_with_its_place(text: str, where: str, why: str) -> None:
    (problem,) = parse(text, "f")[1]
    assert problem.where == where
    assert why in problem.why
    assert problem.remedy


def test_a_line_with_open_quotes_still_says_which_setting_it_meant() -> None:
    assert parse('maxmemory "1gb', "f")[0][0].name == "maxmemory"


def test_includes_are_read_where_they_stand() -> None:
    files = {"*.conf": [("a.conf", "b 2"), ("b.conf", "c 3")]}
    directives, problems = parse("a 1\ninclude *.conf\nd 4", "f", lambda pattern: files[pattern])
    assert [(directive.name, directive.source) for directive in directives] == [
        ("a", "f line 1"),
        ("b", "a.conf line 1"),
        ("c", "b.conf line 1"),
        ("d", "f line 3"),
    ]
    assert not problems


def test_an_include_that_cannot_be_read_stays_as_a_hole_with_its_reason() -> None:
    directives, problems = parse("include x", "f", lambda _: Unread("x", "permission denied", "run as root"))
    assert directives == (Directive("include", ("x",), "f line 1"),)
    assert problems == (Unread("f line 1", "it includes x: x: permission denied", "run as root"),)


def test_a_file_that_includes_itself_ends() -> None:
    def include(path: str) -> Maybe[Sequence[tuple[str, str]]]:
        return [(path, "include me\nmaxmemory 1")]

    directives, problems = parse("include me", "f", include)
    assert len(problems) == 1
    assert "include itself" in problems[0].remedy
    assert sum(directive.name == "maxmemory" for directive in directives) == MAX_INCLUDED_FILES


@given(st.text(max_size=300))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    directives, problems = parse(text, "f")
    assert all(directive.source.startswith("f line ") for directive in directives)
    assert all(problem.where and problem.why for problem in problems)


# --- command line ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "settings"),
    [
        pytest.param(["--maxmemory", "1gb"], [("maxmemory", ("1gb",))], id="name and value"),
        pytest.param(["--maxmemory 1gb"], [("maxmemory", ("1gb",))], id="both in one element"),
        pytest.param(["--save", "900", "1", "300", "10"], [("save", ("900", "1", "300", "10"))], id="many values"),
        pytest.param(["--save", "", "--port", "0"], [("save", ("",)), ("port", ("0",))], id="an empty value"),
        pytest.param(["--save", "--port", "0"], [("save", ("",)), ("port", ("0",))], id="save without a value"),
        pytest.param(["--save"], [("save", ("",))], id="save at the end"),
        pytest.param(
            ["--requirepass", "--x", "--port", "0"], [("requirepass", ("--x",)), ("port", ("0",))], id="value of dashes"
        ),
        pytest.param(["--sentinel", "--port", "0"], [("port", ("0",))], id="sentinel takes none"),
        pytest.param(["--maxmemory=1gb", "--port", "0"], [("maxmemory=1gb", ()), ("port", ("0",))], id="equals"),
    ],
)
def test_options_are_read_as_redis_server_reads_them(
    argv: list[str], settings: list[tuple[str, tuple[str, ...]]]
) -> None:
    read = parse_arguments(argv, "args")
    assert [(directive.name, directive.args) for directive in read.directives] == settings
    assert all(directive.source == "args" for directive in read.directives)
    assert read.config_file is None
    assert read.starts_server


def test_a_first_argument_without_dashes_is_the_file() -> None:
    read = parse_arguments(["/etc/r.conf", "--port", "0"], "args")
    assert read.config_file == "/etc/r.conf"
    assert len(read.directives) == 1


@pytest.mark.parametrize(
    ("argv", "field"),
    [
        pytest.param(["-"], "reads_stdin", id="standard input first"),
        pytest.param(["--port", "0", "-"], "reads_stdin", id="standard input last"),
        pytest.param(["/s.conf", "--sentinel"], "sentinel", id="sentinel"),
    ],
)
def test_standard_input_and_sentinel_are_seen(argv: list[str], field: str) -> None:
    assert getattr(parse_arguments(argv, "args"), field) is True


@pytest.mark.parametrize("argument", ["--version", "-v", "--help", "--test-memory", "--check-system"])
def test_some_arguments_start_no_server(argument: str) -> None:
    assert not parse_arguments([argument, "1"], "args").starts_server


def test_a_stray_word_is_a_problem() -> None:
    assert parse_arguments(["/a.conf", "foo"], "args").problems[0].where == "args"


@given(st.lists(st.text(max_size=12), max_size=8))
def test_no_command_line_makes_it_fail(argv: list[str]) -> None:
    parse_arguments(argv, "args")
