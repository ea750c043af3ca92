"""Where a finding is: the line that its reader will edit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checker.facts import Server, Subject, Unread
from checker.report.places import _FIELDS, Place, finding_place, full_name, problem_place
from checker.rules import RULES
from checker.verdict import Finding
from tests.build import a_config, a_manifest, a_server


def line_of(rule: str, server: Server) -> int:
    place = finding_place(server, Finding(rule, "fail", ""))
    assert place is not None
    assert place.file == "cache.yaml"
    return place.line


def test_only_rules_have_fields() -> None:
    assert set(_FIELDS) <= {rule.id for rule in RULES}


def test_a_rule_without_a_field_is_about_the_container() -> None:
    assert line_of("declaration-invalid", a_manifest(lines={"container": 13, "resources": 19})) == 13


@pytest.mark.parametrize(
    ("source", "line"),
    [
        pytest.param("args", 14, id="in the arguments"),
        pytest.param("args --maxmemory", 14, id="in one of them"),
        pytest.param("args[2]", 14, id="in a numbered one"),
        pytest.param("env REDIS_ARGS", 17, id="in a variable, not in the first of env"),
        pytest.param("ConfigMap conf key redis.conf line 3", 40, id="in a ConfigMap of the same file"),
        pytest.param("ConfigMap conf key redis.conf line 30", 20, id="in a ConfigMap elsewhere"),
        pytest.param("argument", 20, id="nowhere that is known"),
        pytest.param(None, 20, id="nowhere: the default"),
    ],
)
def test_a_finding_on_maxmemory_is_where_maxmemory_was_set(source: str | None, line: int) -> None:
    lines = {
        "container": 12,
        "args": 14,
        "env": 15,
        "env REDIS_ARGS": 17,
        "resources": 19,
        "resources.limits.memory": 20,
        "ConfigMap conf key redis.conf line 3": 40,
    }
    config = a_config(sources={} if source is None else {"maxmemory": source})
    assert line_of("peak-at-maxmemory", a_manifest(config=config, lines=lines)) == line


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        pytest.param({"container": 12, "resources": 19, "resources.limits.memory": 21}, 21, id="the field"),
        pytest.param({"container": 12, "resources": 19}, 19, id="what would hold it"),
        pytest.param({"container": 13}, 13, id="the container"),
        pytest.param({}, 12, id="the subject"),
    ],
)
def test_a_finding_on_the_limit_falls_back_to_what_is_there(lines: dict[str, int], line: int) -> None:
    assert line_of("expected-peak-over-limit", a_manifest(lines=lines)) == line


def test_a_process_is_in_no_file() -> None:
    assert finding_place(a_server(), Finding("fork-refused", "fail", "")) is None


@pytest.mark.parametrize(
    ("where", "place"),
    [
        pytest.param("a b.yaml line 7 column 3", Place("a b.yaml", 7, 3), id="line and column"),
        pytest.param("a line 1.yaml line 7", Place("a line 1.yaml", 7), id="line alone"),
        pytest.param("cache.yaml", None, id="a file alone"),
        pytest.param("line 7", None, id="no file"),
        pytest.param("a.yaml line 0", None, id="lines begin at 1"),
        pytest.param("/proc/12/smaps", None, id="of a process"),
    ],
)
def test_a_problem_with_a_line_has_a_place(where: str, place: Place | None) -> None:
    assert problem_place(Unread(where, "why")) == place


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        pytest.param(a_manifest().subject, "StatefulSet/shop/cache/redis", id="a container"),
        pytest.param(replace(a_manifest().subject, namespace=None), "StatefulSet/cache/redis", id="no namespace"),
        pytest.param(a_server().subject, "redis-server :6379 (pid 4711)", id="a process"),
        pytest.param(Subject(source="plan", name="plan"), "plan", id="a plan"),
    ],
)
def test_full_names(subject: Subject, name: str) -> None:
    assert full_name(subject) == name
