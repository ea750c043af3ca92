"""What is kept of a review: enough for the same answer, no more than it says, and only for the same question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checker.manifests import parsed
from checker.manifests.placement import Machine
from checker.policy import Policy
from tests.build import a_node
from tests.webhook.making import (
    ENFORCE,
    SAFE,
    UNSAFE,
    Held,
    answered,
    container,
    of_verdict,
    pod,
    unknown_container,
    workload,
)
from webhook import review as webhook_review
from webhook.review import Memory
from webhook.review.memory import LONGEST_REMEMBERED, MOST_REMEMBERED
from webhook.review.opinion import MOST_CHARACTERS, opinion_of

NODES = [(Machine("node-1", {}), a_node())]
LIMIT_RANGE = parsed(
    {
        "kind": "LimitRange",
        "metadata": {"name": "usual", "namespace": "shop"},
        "spec": {"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]},
    },
    "the cluster",
)


def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the objects that are judged from now on, as they are."""
    names: list[str] = []
    judge = webhook_review.judge

    def counting(server: Any, *others: Any, **more: Any) -> Any:
        names.append(server.subject.name)
        return judge(server, *others, **more)

    monkeypatch.setattr(webhook_review, "judge", counting)
    return names


@pytest.mark.parametrize("grade", ["none", "safe", "risky", "unknown", "unsafe"])
@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_the_second_answer_is_the_first(grade: str, mode: Any, operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, memory = Policy(mode=mode), Memory()
    first = answered(of_verdict(grade), operation, policy=policy, memory=memory)
    names = judged(monkeypatch)
    assert answered(of_verdict(grade), operation, policy=policy, memory=memory) == first
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
    memory = Memory()
    answered(pod(), memory=memory)
    names = judged(monkeypatch)
    answered(pod(**changed), "UPDATE", old=pod(), memory=memory)
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
    memory = Memory()
    answered(pod(), policy=ENFORCE, memory=memory)
    names = judged(monkeypatch)
    answered(value, policy=policy, memory=memory)
    assert len(names) == 1


def test_a_long_object_is_judged_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names, memory = judged(monkeypatch), Memory()
    long = pod(container(UNSAFE, env=[{"name": "A", "value": "a" * LONGEST_REMEMBERED}]))
    answered(long, memory=memory)
    answered(long, memory=memory)
    assert len(names) == 2


SAFE_NOW = {"redis-conf": f"maxmemory {SAFE}\n"}


@pytest.mark.parametrize(
    ("before", "after", "again"),
    [
        pytest.param({}, {}, 0, id="the same cluster"),
        pytest.param({"config_maps": SAFE_NOW}, {"config_maps": dict(SAFE_NOW)}, 0, id="the same ConfigMap"),
        pytest.param({"config_maps": SAFE_NOW}, {"config_maps": {"redis-conf": "maxmemory 900mb\n"}}, 1, id="another"),
        pytest.param({"config_maps": SAFE_NOW}, {}, 1, id="it is gone"),
        pytest.param({"nodes": NODES}, {"nodes": NODES}, 0, id="the same nodes"),
        pytest.param({"nodes": NODES}, {"nodes": [(Machine("node-1", {}), a_node())]}, 1, id="nodes read anew"),
        pytest.param({}, {"ranges": [LIMIT_RANGE]}, 0, id="a LimitRange that nobody needed"),
    ],
)
def test_an_opinion_counts_while_the_cluster_gives_the_same_answers(
    before: dict[str, Any], after: dict[str, Any], again: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, value = Memory(), workload("StatefulSet", unknown_container())
    answered(value, around=Held(**before), memory=memory)
    names = judged(monkeypatch)
    fresh = answered(value, around=Held(**after))
    names.clear()
    assert answered(value, around=Held(**after), memory=memory) == fresh
    assert len(names) == again


def test_a_new_limit_range_is_seen() -> None:
    memory, value = Memory(), workload("StatefulSet", container(UNSAFE, resources={}))
    assert answered(value, around=Held(), memory=memory).conclusion == "risky"
    assert answered(value, around=Held(ranges=[LIMIT_RANGE]), memory=memory).conclusion == "unsafe"


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    memory = Memory()
    for number in range(MOST_REMEMBERED + 10):
        answered(pod(), name=f"cache-{number}", memory=memory)
    assert len(memory) == MOST_REMEMBERED


def test_what_a_small_object_expands_to_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirteen variables of two references each: 4,096 times the first."""
    kept = []

    def keeping(verdicts: Any, **more: Any) -> Any:
        kept.append(opinion_of(verdicts, **more))
        return kept[-1]

    monkeypatch.setattr(webhook_review, "opinion_of", keeping)
    variables = [{"name": "V0", "value": "x" * 500}]
    variables += [{"name": f"V{n + 1}", "value": f"$(V{n})$(V{n})"} for n in range(12)]
    answered(pod(container(None, env=variables, args=["--maxmemory", "$(V12)", "--dir", "$(V12)"])))
    (opinion,) = kept
    said = [*opinion.annotations.values(), *opinion.warnings, *opinion.sentences, *opinion.sentences_with_urls]
    assert sum(map(len, said)) < 4 * MOST_CHARACTERS
