from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.facts import Unread
from checker.manifests.shell import MAX_PATHS, Shell
from checker.manifests.shell_path import Path, Run
from checker.manifests.virtual_files import Files, Line
from checker.probes.redis_conf import RUN_TIME


def follow(script: str, *, files: Files | None = None, **variables: str) -> list[Path]:
    path = Path(files=files or Files(), variables=dict(variables), directory="/data", where="args")
    return Shell().command(["sh", "-c", script], path)


def commands(script: str, **variables: str) -> list[str]:
    """The server's command line on every path, sorted."""
    paths = follow(script, **variables)
    return sorted({" ".join(run.argv) for path in paths for run in path.runs if run.what == "redis"})


@pytest.mark.parametrize(
    ("script", "command"),
    [
        pytest.param("redis-server --a 1", "redis-server --a 1", id="plain"),
        pytest.param("exec redis-server \\\n  --a 1", "redis-server --a 1", id="exec and a line that goes on"),
        pytest.param("set -e; true && exec redis-server x", "redis-server x", id="and"),
        pytest.param("false || redis-server x", "redis-server x", id="or"),
        pytest.param("/usr/local/bin/redis-server x &\nwait", "/usr/local/bin/redis-server x", id="background"),
        pytest.param('A=1; redis-server --a "$A" ${B:-2}', "redis-server --a 1 2", id="variables"),
        pytest.param('A=(--a "1 2"); A+=(--b); redis-server "${A[@]}"', "redis-server --a 1 2 --b", id="arrays"),
        pytest.param('A="--a 1"; redis-server $A', "redis-server --a 1", id="unquoted values are split"),
        pytest.param('f() { redis-server "$@"; }; f --a 1', "redis-server --a 1", id="functions"),
        pytest.param('set -- redis-server x; exec "$@"', "redis-server x", id="positional"),
        pytest.param("exec gosu redis redis-server x", "redis-server x", id="gosu"),
        pytest.param("tini -- docker-entrypoint.sh redis-server x", "redis-server x", id="entry points"),
        pytest.param("env A=1 nice -n5 redis-server x", "redis-server x", id="env and nice"),
        pytest.param("sh -c 'redis-server x'", "redis-server x", id="a shell in a shell"),
        pytest.param("eval redis-server x", "redis-server x", id="eval"),
        pytest.param("redis-server --m $((1024 * 80 / 100))", "redis-server --m 819", id="arithmetic"),
        pytest.param("L=100; redis-server --m $((L / 3))mb", "redis-server --m 33mb", id="with bare names"),
        pytest.param('if [ -n "$A" ]; then :; else redis-server x; fi', "redis-server x", id="not taken"),
        pytest.param("case b in a) exit;; b|c) redis-server x;; esac", "redis-server x", id="case"),
        pytest.param("for i in 1 2; do A=$i; done; redis-server $A", "redis-server 2", id="for"),
        pytest.param("X=$(echo 5)mb; redis-server $X", "redis-server 5mb", id="substitution"),
        pytest.param("X=`cat <<< y`; redis-server $X", "redis-server y", id="backticks and a here-string"),
        pytest.param("redis-server --r {1..2}", "redis-server --r 1 2", id="braces"),
        pytest.param("while ! redis-cli ping; do sleep 1; done; redis-server x", "redis-server x", id="while"),
        pytest.param("[[ a == a && ! -f /none ]] && redis-server x", "redis-server x", id="double brackets"),
        pytest.param(
            "# redis-server no\necho redis-server no; redis-server x", "redis-server x", id="text is no command"
        ),
        pytest.param("./start.sh redis-server x", "redis-server x", id="a script of the image that starts it"),
    ],
)
def test_the_servers_command_is_found(script: str, command: str) -> None:
    assert commands(script, A="" if "-n" in script else "1") == [command]


@pytest.mark.parametrize(
    "script",
    [
        "which redis-server",
        "pkill redis-server; sleep 1",
        "apt-get install redis-server",
        "exit 0; redis-server",
        "f() { redis-server; }",
        "if false; then redis-server; fi",
        "cat <<EOF\nredis-server\nEOF",
        "exec sleep 1; redis-server",
    ],
)
def test_a_server_that_is_not_started_is_not_found(script: str) -> None:
    assert commands(script) == []


def test_both_branches_are_followed_where_the_pod_decides() -> None:
    script = 'if [ "$(hostname)" = a-0 ]; then redis-server m; else redis-server r; fi'
    assert commands(script) == ["redis-server m", "redis-server r"]


def test_what_only_the_pod_knows_is_marked() -> None:
    assert commands("redis-server --ip $POD_IP --m ${M}mb", M=RUN_TIME) == [
        f"redis-server --ip {RUN_TIME} --m {RUN_TIME}mb"
    ]


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        pytest.param("cat > /f <<EOF\na $X\nb\nEOF", ["a 1", "b"], id="here-document"),
        pytest.param("cat > /f <<'EOF'\na $X\nEOF", ["a $X"], id="a quoted one"),
        pytest.param("cat <<-EOF > /f\n\ta\n\tEOF", ["a"], id="an indented one"),
        pytest.param("{ echo a; echo b; } >> /f", ["a", "b"], id="a group"),
        pytest.param("echo a > /f; echo b >> /f; cp /f /g; cat /g >> /f", ["a", "b", "a", "b"], id="copies"),
        pytest.param("printf 'a %s\\nb\\n' c > /f", ["a c", "b"], id="printf"),
        pytest.param("echo a | tee /f", ["a"], id="tee"),
        pytest.param("echo a > /f; sed -i -e 's/a/b c/' /f", ["b c"], id="sed"),
        pytest.param("printf 'a\\nb\\n' > /f; sed -i '/a/d' /f", ["b"], id="sed that drops"),
        pytest.param("echo a > /f; sed -i 'y/a/b/' /f", ["a", RUN_TIME], id="sed that is not understood"),
        pytest.param("echo '${X} $Y' > /t; envsubst < /t > /f", ["1 " + RUN_TIME], id="envsubst"),
        pytest.param("wget -qO- x > /f", [RUN_TIME], id="what a program prints"),
        pytest.param("echo a > /f; rm /f; echo b > /f", ["b"], id="rm"),
        pytest.param("cd /d; echo a > ../f", ["a"], id="cd"),
    ],
)
def test_files_hold_what_the_script_has_written(script: str, lines: list[str]) -> None:
    (path,) = follow(script, X="1")
    assert [line.text for line in path.files.held["/f"]] == lines


def test_a_script_that_is_mounted_is_followed_and_remembers_its_place() -> None:
    held = {"/s/a.sh": (Line("redis-server $1", "ConfigMap m key a.sh line 1"),)}
    path = Path(files=Files(held), variables={})
    (after,) = Shell().command(["/s/a.sh", "x"], path)
    assert [(run.argv, run.where) for run in after.runs] == [(("redis-server", "x"), "ConfigMap m key a.sh line 1")]


def test_a_script_that_is_not_in_the_input_is_reported_as_one() -> None:
    assert [run.what for path in follow("sh /s/a.sh; /opt/run") for run in path.runs] == ["script", "script"]


@pytest.mark.parametrize(
    ("path", "exists"),
    [
        pytest.param("/m/a", True, id="held"),
        pytest.param("/m", True, id="a mount"),
        pytest.param("/m/b", False, id="not in a mount that is known"),
        pytest.param("/u/b", None, id="in one that is not"),
        pytest.param("/etc/x", None, id="in an image that is not known"),
    ],
)
def test_what_exists_is_known_unknown_or_not_there(path: str, exists: bool | None) -> None:
    from checker.manifests.virtual_files import Mount

    mounts = (Mount("/m", "v", "", None), Mount("/u", "w", "", Unread("w", "is not in the input")))
    files = Files({"/m/a": ()}, mounts, Unread("image", "is not known"))
    assert files.exists(path) is exists
    tested = follow(f"if [ -e {path} ]; then redis-server yes; else redis-server no; fi", files=files)
    told = {run.argv[1] for one in tested for run in one.runs}
    assert told == {True: {"yes"}, False: {"no"}, None: {"yes", "no"}}[exists]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("x=ab\n" + "x=$x$x\n" * 100, id="a text that doubles"),
        pytest.param("A=(a b)\n" + 'A=("${A[@]}" "${A[@]}")\n' * 100, id="an array that doubles"),
        pytest.param(":(){ :|:& };:", id="a fork bomb"),
        pytest.param("f() { f; f; }; f", id="a function that calls itself"),
        pytest.param("f() { eval f; eval f; }; f", id="eval of itself"),
        pytest.param("".join(f"if c{n}; then a{n}=1; fi\n" for n in range(200)), id="many branches"),
        pytest.param("echo a > f\n" + "cat f f >> f\n" * 100, id="a file that doubles"),
        pytest.param("echo " + "$(echo " * 200 + ")" * 200, id="nested substitutions"),
        pytest.param("for a in 1 2 3 4 5 6 7 8 9; do " * 6 + "x=1" + "; done" * 6, id="nested loops"),
        pytest.param("echo a > f; sed -i 's/\\(a*\\)*b/x/' f", id="a pattern that backtracks"),
    ],
)
def test_scripts_that_grow_without_bound_end(script: str) -> None:
    assert len(follow(script)) <= MAX_PATHS + 1


PIECES = [
    *(
        "if",
        "then",
        "else",
        "fi",
        "while",
        "do",
        "done",
        "case",
        "in",
        "esac",
        "f()",
        "echo",
        "x=",
        "$x",
        "redis-server",
    ),
    *("$(", ")", "(", "`", "{", "}", "[", "]", "[[", "]]", ";", "&&", "|", ">f", "<<E", "\nE\n", "\n"),
    *('"', "'", "\\", "$((1", "${x:-"),
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=25,
    )
)
def test_no_script_makes_it_fail(words: list[str]) -> None:
    for path in follow(" ".join(words)):
        assert all(isinstance(run, Run) for run in path.runs)


def test_what_only_the_running_pod_has_is_not_taken_for_empty() -> None:
    paths = follow(
        'H="$(cat /proc/sys/kernel/hostname)"; if [ "${H##*-}" = 0 ]; then redis-server m; else redis-server r; fi'
    )
    assert {run.argv[1] for path in paths for run in path.runs} == {"m", "r"}
