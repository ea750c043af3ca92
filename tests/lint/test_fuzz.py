"""No input makes it crash or hang, or call an undecided thing safe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checker.lint import Linted, lint
from checker.manifests import split
from checker.manifests.files import Sources
from checker.report import FORMATS
from checker.verdict import Verdict

FUZZ = settings(max_examples=120, deadline=2000, suppress_health_check=[HealthCheck.too_slow])


def judged(text: str) -> Linted:
    linted = lint(split(text.splitlines(keepends=True), "f.yaml"))
    for form in FORMATS.values():
        form.render(linted.report, False, False)
    linted.answers()
    for verdict in linted.report.verdicts:
        if verdict.grade == "safe":
            assert not verdict.fork_causes or fits(verdict), verdict.server
    return linted


def fits(verdict: Verdict) -> bool:
    """Is every fact known that a safe server which forks needs, and does even its worst case fit?"""
    maxmemory, limit, estimate = verdict.server.config.maxmemory, verdict.server.limit.value, verdict.estimate
    bounded = (isinstance(maxmemory, int) and maxmemory > 0) or verdict.server.declared.maxmemory is not None
    return bounded and isinstance(limit, int) and estimate is not None and estimate.peak_worst_bytes <= limit


WORDS = st.sampled_from(
    [
        *"-:?[]{}&*!|>'\"#%@,\n\t ",
        "kind: Pod",
        "\n---\n",
        "spec:",
        "containers:",
        "- name: redis",
        "image: redis",
        "<<: *a",
        "&a",
        "\r\n",
        "\u2028",
    ]
)


@given(st.lists(WORDS, max_size=60).map("".join))
@FUZZ
def test_any_text(text: str) -> None:
    assert all(verdict.grade != "safe" or verdict.findings for verdict in judged(text).report.verdicts)


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "redis:7", "256Mi", "$(A)", "-1", "sh", "-c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "value", "limits", "memory", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "n", "annotations": {"bgsafe.io/write-rate": "10"}},
    "spec": {
        "volumes": [{"name": "d", "emptyDir": {}}, {"name": "c", "configMap": {"name": "conf", "items": []}}],
        "containers": [
            {
                "name": "c",
                "image": "redis:7",
                "command": ["redis-server"],
                "args": ["--maxmemory", "100mb"],
                "env": [
                    {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1"}}}
                ],
                "envFrom": [{"configMapRef": {"name": "conf"}}],
                "resources": {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"memory": "1Gi"}},
                "volumeMounts": [{"name": "d", "mountPath": "/data", "subPath": "x"}],
                "lifecycle": {"postStart": {"exec": {"command": ["redis-cli"]}}},
            }
        ],
    },
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def with_junk(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    if isinstance(value, dict):
        return {key: with_junk(item, path[1:], junk) if key == path[0] else item for key, item in value.items()}
    return [with_junk(item, path[1:], junk) if number == path[0] else item for number, item in enumerate(value)]


DECIDES = [
    path for path in places(POD) if path[-1:] in {("memory",), ("limits",), ("resources",)} and "requests" not in path
]


@given(st.sampled_from(places(POD)), JUNK)
@FUZZ
def test_a_wrong_type_anywhere(path: tuple[Any, ...], junk: Any) -> None:
    judged(yaml.safe_dump(with_junk(POD, path, junk)))


@given(st.sampled_from(DECIDES), JUNK)
@FUZZ
def test_a_limit_that_is_none_is_never_safe(path: tuple[Any, ...], junk: Any) -> None:
    for verdict in judged(yaml.safe_dump(with_junk(POD, path, junk))).report.verdicts:
        limit = verdict.server.limit.value
        if not isinstance(limit, int):
            assert verdict.grade != "safe"
        else:
            assert verdict.grade != "safe" or limit >= verdict.estimate.peak_worst_bytes


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
SERVER = (
    "kind: Pod\nmetadata: {name: p}\n"
    "spec: {containers: [{name: c, image: redis:7, resources: {limits: {memory: 1Gi}}}]}\n"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BOMB + SERVER, id="aliases of aliases beside a server"),
        pytest.param(SERVER.replace("image: redis:7", "image: redis:7, args: &a [*a]"), id="an alias of itself"),
        pytest.param(SERVER.replace("image: redis:7", "image: redis:7, env: &a [*a]"), id="a variable of itself"),
        pytest.param(BOMB + SERVER.replace("image", "x: *a39, y: limits.memory, image"), id="aliases beside the limit"),
        pytest.param(BOMB + SERVER.replace("image", "env: [*a39], image"), id="aliases in variables"),
        pytest.param(SERVER.replace("image", f"x: {'[' * 900 + ']' * 900}, y: limits.memory, image"), id="deep lists"),
        pytest.param(SERVER.replace("image", f"env: {'[' * 900 + ']' * 900}, image"), id="a deep list of variables"),
        pytest.param("[" * 100_000, id="brackets"),
        pytest.param("kind: Pod\nspec: " + "{a: " * 5_000 + "}" * 5_000, id="deep mappings"),
        pytest.param("- " * 50_000 + "x", id="stacked dashes"),
        pytest.param("kind: Pod\nkind: Pod\nspec: {containers: []}\nspec: 3\n", id="duplicate keys"),
        pytest.param("a:\n\t- b\n", id="tabs"),
        pytest.param("\ufeff" + SERVER, id="byte order mark"),
        pytest.param("kind: List\nitems: {a: b}\n---\nkind: List\nitems: [[], 3, null]\n", id="lists of no objects"),
        pytest.param("? {a: b}\n: kind\n", id="a mapping for a key"),
        pytest.param("kind: Pod\nspec: {containers: [{image: !!python/object:os.system redis}]}\n", id="a foreign tag"),
    ],
)
def test_bombs_and_oddities_end_quickly(text: str) -> None:
    judged(text)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda more: SERVER.encode() + b"---\n" + more))
@settings(FUZZ, suppress_health_check=[*FUZZ.suppress_health_check, HealthCheck.function_scoped_fixture])
def test_any_bytes_in_a_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(content)
    linted = lint(Sources([str(file)], sys.stdin).documents())
    if content.startswith(SERVER.encode()) and len(linted.report.verdicts) == 1:
        assert linted.report.verdicts[0].grade == "unsafe"
