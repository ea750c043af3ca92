"""What is kept of a review: enough for the same answer, no more than it says, and only for the same question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checker.policy import Policy
from tests.webhook.making import ENFORCE, UNSAFE, answered, container, of_verdict, pod, workload
from webhook import review as webhook_review
from webhook.review import LONGEST_REMEMBERED, MOST_REMEMBERED, remembered
from webhook.review.opinion import MOST_CHARACTERS, opinion_of


def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the objects that are judged from now on, as they are."""
    names: list[str] = []
    judge = webhook_review.judge

    def counting(server: Any, *others: Any) -> Any:
        names.append(server.subject.name)
        return judge(server, *others)

    monkeypatch.setattr(webhook_review, "judge", counting)
    return names


@pytest.mark.parametrize("grade", ["none", "safe", "risky", "unknown", "unsafe"])
@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_the_second_answer_is_the_first(grade: str, mode: Any, operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy(mode=mode)
    first = answered(of_verdict(grade), operation, policy=policy)
    names = judged(monkeypatch)
    assert answered(of_verdict(grade), operation, policy=policy) == first
    assert names == []


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"labels": {"a": "b"}}, id="labels"),
        pytest.param({"finalizers": ["a.io/b"]}, id="finalizers"),
        pytest.param({"uid": "another", "resourceVersion": "7", "generation": 3}, id="what every write changes"),
    ],
)
def test_what_no_verdict_depends_on_is_not_judged_again(
    changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(pod())
    names = judged(monkeypatch)
    answered(pod(**changed), "UPDATE", old=pod())
    assert names == []


@pytest.mark.parametrize(
    ("value", "policy"),
    [
        pytest.param(pod(container("901mb")), ENFORCE, id="another container"),
        pytest.param(pod(annotations={"bgsafe.io/write-rate": "10"}), ENFORCE, id="another annotation"),
        pytest.param(workload("StatefulSet"), ENFORCE, id="another kind"),
        pytest.param(pod(), replace(ENFORCE, write_rate_per_second=7.0), id="another policy"),
    ],
)
def test_what_a_verdict_depends_on_is_judged_anew(
    value: dict[str, Any], policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(pod(), policy=ENFORCE)
    names = judged(monkeypatch)
    answered(value, policy=policy)
    assert len(names) == 1


def test_a_long_object_is_judged_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names = judged(monkeypatch)
    long = pod(container(UNSAFE, env=[{"name": "A", "value": "a" * LONGEST_REMEMBERED}]))
    answered(long)
    answered(long)
    assert len(names) == 2


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    for number in range(MOST_REMEMBERED + 10):
        answered(pod(), name=f"cache-{number}")
    assert remembered.cache_info().currsize == MOST_REMEMBERED


def test_what_a_small_object_expands_to_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirteen variables of two references each: 4,096 times the first."""
    kept = []

    def keeping(verdicts: Any) -> Any:
        kept.append(opinion_of(verdicts))
        return kept[-1]

    monkeypatch.setattr(webhook_review, "opinion_of", keeping)
    variables = [{"name": "V0", "value": "x" * 500}]
    variables += [{"name": f"V{n + 1}", "value": f"$(V{n})$(V{n})"} for n in range(12)]
    answered(pod(container(None, env=variables, args=["--maxmemory", "$(V12)", "--dir", "$(V12)"])))
    (opinion,) = kept
    said = [*opinion.annotations.values(), *opinion.warnings, *opinion.sentences, *opinion.sentences_with_urls]
    assert sum(map(len, said)) < 4 * MOST_CHARACTERS
