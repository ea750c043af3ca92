"""What is shown keeps to Kubernetes' limits, and says the most important first."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.policy import Policy
from checker.rules import rule_url
from tests.webhook.making import RISKY, SAFE, UNSAFE, answered, container, denial, pod, unknown_container, warnings
from webhook.review.response import (
    MAX_MESSAGE_CHARACTERS,
    MAX_WARNING_CHARACTERS,
    MAX_WARNINGS_CHARACTERS,
    message,
    warning_lines,
)

WARN = Policy(mode="warn")
KEY = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
"""k8s.io/apimachinery util/validation, IsQualifiedName, the part behind the prefix."""


@given(st.lists(st.text(max_size=300), max_size=60))
def test_warnings_keep_to_the_limits(sentences: list[str]) -> None:
    lines = warning_lines(sentences)
    assert all(0 < len(line) <= MAX_WARNING_CHARACTERS and line.isprintable() for line in lines)
    assert sum(map(len, lines)) <= MAX_WARNINGS_CHARACTERS
    assert not any(line.startswith("Warning:") for line in lines)


@given(st.lists(st.text(max_size=4000), max_size=5))
def test_a_message_keeps_to_its_limit(sentences: list[str]) -> None:
    assert len(message(sentences)) <= MAX_MESSAGE_CHARACTERS


@pytest.mark.parametrize(
    ("count", "cut"), [pytest.param(30, False, id="all fit"), pytest.param(40, True, id="too many")]
)
def test_what_does_not_fit_is_said_to_be_there(count: int, cut: bool) -> None:
    lines = warning_lines(["x" * 110] * count)
    assert (lines[-1] == "bgsafe: and more; `bgsafe lint` tells all") is cut


def test_a_long_sentence_goes_on_in_the_next_warning() -> None:
    lines = warning_lines(["word " * 40])
    assert len(lines) == 2
    assert lines[0].startswith("bgsafe: word word")
    assert lines[1].startswith("  word")


def test_characters_that_no_header_carries_are_replaced() -> None:
    assert warning_lines(["a\x1b[31m\ud800\x7fb × c"]) == ["bgsafe: a?[31m??b × c"]


def test_the_worst_server_comes_first() -> None:
    named = [
        {**container(RISKY), "name": "risky"},
        {**container(SAFE), "name": "safe"},
        {**unknown_container(), "name": "unknown"},
        {**container(UNSAFE), "name": "unsafe"},
    ]
    said = " ".join(warnings(answered(pod(*named), policy=WARN)))
    places = [said.find(f"container {name} is {name}") for name in ("unsafe", "unknown", "risky")]
    assert places == sorted(places)
    assert min(places) >= 0
    assert "container safe" not in said


def test_a_denial_has_the_numbers_the_remedy_and_the_address_of_the_rule() -> None:
    said = answered(pod())
    assert said.answer["response"]["status"]["code"] == 403
    text = denial(said)
    assert "Pod cache in shop is unsafe" in text
    assert re.search(r"peaks at 1\.\d+ GiB, \d+ MiB over the limit of 1\.00 GiB", text)
    assert re.search(r"to do: raise resources\.limits\.memory to \d+Mi", text)
    assert f"see {rule_url('expected-peak-over-limit')}" in text


def test_what_the_denial_asks_for_is_then_admitted() -> None:
    asked_for = re.search(r"raise resources\.limits\.memory to (\w+)", denial(answered(pod())))
    assert asked_for is not None
    resources = {"limits": {"memory": asked_for[1]}}
    assert answered(pod(container(resources=resources))).allowed


def test_many_servers_still_fit() -> None:
    servers = [{**container(), "name": f"redis-{number}"} for number in range(100)]
    said = answered(pod(*servers))
    assert len(denial(said)) <= MAX_MESSAGE_CHARACTERS
    assert denial(said).endswith("`bgsafe lint` tells all")


def test_audit_annotations_carry_the_verdict_and_the_numbers() -> None:
    found = answered(pod(), policy=Policy(mode="audit")).answer["response"]["auditAnnotations"]
    assert found["verdict"] == "unsafe"
    assert found["mode"] == "audit"
    assert found["container"] == "redis"
    assert found["rules"] == "expected-peak-over-limit"
    assert found["limit-bytes"] == str(1024**3)
    assert int(found["peak-expected-bytes"]) > 1024**3
    assert all(KEY.fullmatch(key) and isinstance(value, str) for key, value in found.items())


def test_a_limit_that_is_not_there_is_no_number() -> None:
    found = answered(pod(container(resources={}))).answer["response"]["auditAnnotations"]
    assert found["limit-bytes"] == "no limit (no resources.limits.memory)"


def test_the_uid_is_echoed() -> None:
    assert answered(pod(), uid="ü-1").answer["response"]["uid"] == "ü-1"
