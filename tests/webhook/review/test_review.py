"""Decisions: modes, exemptions, kinds, the ratchet, and what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.deadline import within
from checker.facts import Unread
from checker.policy import Exemption, Policy
from tests.webhook.making import (
    ENFORCE,
    UNSAFE,
    WORSE,
    answered,
    asked,
    container,
    denial,
    of_verdict,
    pod,
    unknown_container,
    warnings,
    workload,
)
from webhook import review as webhook_review
from webhook.review import MODE_LABEL, Memory, Unasked, parse, review
from webhook.review.ratchet import SEVERITY

GRADES = ("none", "safe", "risky", "unknown", "unsafe")
UNREAD = Unread("labels of namespace shop", "Forbidden", "grant get on namespaces")


@pytest.mark.parametrize("grade", GRADES)
def test_an_object_gets_the_verdict_of_lint(grade: str) -> None:
    assert answered(of_verdict(grade)).conclusion == grade


@pytest.mark.parametrize(
    ("policy", "denied"),
    [
        pytest.param(ENFORCE, {"unsafe"}, id="enforce denies what is unsafe"),
        pytest.param(replace(ENFORCE, deny_on="risky"), {"unsafe", "risky"}, id="denyOn risky"),
        pytest.param(replace(ENFORCE, unknown="deny"), {"unsafe", "unknown"}, id="unknown deny"),
        pytest.param(replace(ENFORCE, deny_on="risky", unknown="deny"), {*GRADES} - {"none", "safe"}, id="both"),
        pytest.param(Policy(mode="warn", deny_on="risky", unknown="deny"), set(), id="warn never denies"),
        pytest.param(Policy(mode="audit", deny_on="risky", unknown="deny"), set(), id="audit never denies"),
        pytest.param(Policy(mode="off", deny_on="risky", unknown="deny"), set(), id="off never denies"),
    ],
)
def test_the_policy_says_which_verdicts_are_denied(policy: Policy, denied: set[str]) -> None:
    assert {grade for grade in GRADES if not answered(of_verdict(grade), policy=policy).allowed} == denied


@pytest.mark.parametrize(
    ("mode", "warned", "noted"),
    [
        pytest.param("enforce", True, True, id="enforce"),
        pytest.param("warn", True, True, id="warn"),
        pytest.param("audit", False, True, id="audit tells the audit log alone"),
        pytest.param("off", False, False, id="off tells nobody"),
    ],
)
def test_a_mode_decides_who_is_told_of_a_risk(mode: Any, warned: bool, noted: bool) -> None:
    said = answered(of_verdict("risky"), policy=Policy(mode=mode))
    assert said.allowed
    assert bool(warnings(said)) is warned
    assert said.answer["response"].get("auditAnnotations", {}).get("verdict") == ("risky" if noted else None)


@pytest.mark.parametrize("mode", ["enforce", "warn", "audit", "off"])
def test_the_namespace_label_goes_before_the_policy(mode: str) -> None:
    said = answered(of_verdict("unsafe"), policy=Policy(mode="audit"), labels={MODE_LABEL: mode})
    assert (said.mode, said.allowed) == (mode, mode != "enforce")


def test_a_label_that_is_no_mode_leaves_the_policys_and_says_so() -> None:
    said = answered(of_verdict("risky"), labels={MODE_LABEL: "enfroce"})
    assert said.mode == "enforce"
    assert "bgsafe.io/mode is 'enfroce'" in " ".join(warnings(said))


def test_labels_that_were_not_read_leave_the_policys_mode_and_the_denial_says_so() -> None:
    said = answered(of_verdict("unsafe"), labels=UNREAD)  # type: ignore[arg-type]
    assert not said.allowed
    assert "labels of namespace shop: Forbidden (grant get on namespaces)" in denial(said)


@pytest.mark.parametrize(
    ("exemption", "exempt"),
    [
        pytest.param(Exemption("shop"), True, id="the namespace"),
        pytest.param(Exemption("shop", "cac*", "a cache"), True, id="the name"),
        pytest.param(Exemption("shop", "queue"), False, id="another name"),
        pytest.param(Exemption("kube-system"), False, id="another namespace"),
    ],
)
def test_an_exempted_object_is_not_judged(exemption: Exemption, exempt: bool) -> None:
    said = answered(of_verdict("unsafe"), policy=replace(ENFORCE, exempt=(exemption,)))
    assert (said.conclusion == "exempt", said.allowed) == (exempt, exempt)


def test_an_ignored_rule_does_not_deny_and_its_emptiness_does() -> None:
    key = "bgsafe.io/ignore.expected-peak-over-limit"
    assert answered(pod(container(UNSAFE), annotations={key: "rebuilt from the database"})).allowed
    assert not answered(pod(container(UNSAFE), annotations={key: ""})).allowed


# --- kinds -----------------------------------------------------------------------------------------------------------

KINDS = (
    *("Pod", "ReplicationController", "PodTemplate", "Deployment", "StatefulSet"),
    *("DaemonSet", "ReplicaSet", "Job", "CronJob"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_workload_is_reviewed(kind: str) -> None:
    said = answered(workload(kind))
    assert (said.conclusion, said.allowed, said.kind) == ("unsafe", False, kind)


def test_an_operators_resource_is_reviewed() -> None:
    value = {
        "apiVersion": "redis.redis.opstreelabs.in/v1beta2",
        "kind": "RedisReplication",
        "metadata": {"name": "cache"},
        "spec": {
            "clusterSize": 3,
            "kubernetesConfig": {"image": "redis:7.2", "resources": {"limits": {"memory": "1Gi"}}},
            "redisConfig": {"dynamicConfig": ["maxmemory 1000mb"]},
        },
    }
    said = answered(value)
    assert (said.conclusion, said.allowed, said.kind) == ("unsafe", False, "RedisReplication")


@pytest.mark.parametrize(
    "api_version",
    [pytest.param("apps/v9", id="unknown version"), pytest.param("batch/v1", id="kind of another group")],
)
def test_an_unknown_version_is_admitted_and_counted(api_version: str) -> None:
    said = answered({**workload("Deployment"), "apiVersion": api_version})
    assert (said.allowed, said.conclusion, said.error) == (True, "passed", "unknown_kind")


def test_a_made_up_kind_is_counted_as_other() -> None:
    said = answered({"apiVersion": "example.com/v1", "kind": "Widget4711", "metadata": {"name": "w"}, "spec": {}})
    assert (said.allowed, said.kind, said.error) == (True, "other", "unknown_kind")


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_delete_and_connect_are_always_admitted(operation: str) -> None:
    said = answered(of_verdict("unsafe"), operation)
    assert (said.allowed, said.conclusion) == (True, "passed")


@pytest.mark.parametrize("sub_resource", ["status", "scale", "binding", "eviction", "ephemeralcontainers"])
def test_other_sub_resources_are_always_admitted(sub_resource: str) -> None:
    said = answered(of_verdict("unsafe"), "UPDATE", old=of_verdict("safe"), subResource=sub_resource)
    assert (said.allowed, said.conclusion) == (True, "passed")


def test_a_resize_below_what_the_server_needs_is_denied() -> None:
    large = container(UNSAFE, resources={"limits": {"memory": "4Gi"}})
    assert not answered(pod(container(UNSAFE)), "UPDATE", old=pod(large), subResource="resize").allowed
    assert answered(pod(large), "UPDATE", old=pod(container(UNSAFE)), subResource="resize").allowed


def test_ephemeral_containers_do_not_disturb() -> None:
    value = of_verdict("unsafe")
    value["spec"]["ephemeralContainers"] = [{"name": "debugger", "image": "redis:7.2", "command": ["redis-cli"]}]
    assert answered(value, "UPDATE", old=of_verdict("unsafe")).allowed


def test_a_generated_name_is_the_prefix_and_the_requests_namespace_counts() -> None:
    value = pod(container(UNSAFE))
    value["metadata"] = {"generateName": "cache-"}
    assert "Pod cache- in shop is unsafe" in denial(answered(value, name=""))
    exempt = replace(ENFORCE, exempt=(Exemption("shop", "cache-*"),))
    assert answered(value, policy=exempt, name="").conclusion == "exempt"


def test_a_dry_run_gets_the_same_answer() -> None:
    value = of_verdict("unsafe")
    assert answered(value, dryRun=True).answer == answered(value).answer


# --- the ratchet -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", GRADES)
@pytest.mark.parametrize("after", GRADES)
@pytest.mark.parametrize("deny_on", ["unsafe", "risky"])
@pytest.mark.parametrize("unknown", ["warn", "deny"])
def test_an_update_is_denied_only_where_the_verdict_is_worse(
    before: str, after: str, deny_on: Any, unknown: Any
) -> None:
    policy = Policy(mode="enforce", deny_on=deny_on, unknown=unknown)
    created = answered(of_verdict(after), policy=policy)
    updated = answered(of_verdict(after), "UPDATE", old=of_verdict(before), policy=policy)
    severity: dict[str, int] = {"none": 0, **SEVERITY}
    worse = severity[after] > severity[before]
    assert updated.allowed is (created.allowed or not worse)


def scaled(value: dict[str, Any]) -> None:
    value["spec"]["replicas"] = 0


def labelled(value: dict[str, Any]) -> None:
    value["metadata"]["labels"] = {"team": "a"}


def freed(value: dict[str, Any]) -> None:
    value["metadata"]["finalizers"] = []


def restarted(value: dict[str, Any]) -> None:
    value["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-11-23T03:00:00Z"}


def improved(value: dict[str, Any]) -> None:
    value["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = "1026Mi"


def worsened(value: dict[str, Any]) -> None:
    value["spec"]["template"]["spec"]["containers"][0]["args"] = ["--maxmemory", WORSE]


@pytest.mark.parametrize("change", [scaled, labelled, freed, restarted, improved, worsened])
def test_what_was_unsafe_can_still_be_changed(change: Any) -> None:
    value = workload("StatefulSet")
    change(value)
    said = answered(value, "UPDATE", old=workload("StatefulSet"))
    assert said.allowed
    assert warnings(said)[0].startswith("bgsafe: admitted, since it was unsafe before this update")


def test_the_warning_says_how_the_numbers_moved() -> None:
    said = answered(pod(container(WORSE)), "UPDATE", old=pod(container(UNSAFE)))
    first = " ".join(warnings(said)[:2])
    assert "the expected peak was" in first
    assert "over the limit" in first
    assert "MiB over it now" in " ".join(first.split())


def test_an_object_that_is_being_deleted_is_admitted() -> None:
    value = pod(container(UNSAFE), deletionTimestamp="2026-11-23T03:00:00Z")
    assert answered(value, "UPDATE", old=of_verdict("safe")).allowed


def owned(api_version: str, kind: str, *, controller: bool = True) -> dict[str, Any]:
    owner = {"apiVersion": api_version, "kind": kind, "name": "cache", "uid": "1", "controller": controller}
    return pod(container(UNSAFE), ownerReferences=[owner])


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        pytest.param(owned("apps/v1", "StatefulSet"), True, id="made by a StatefulSet, which was reviewed"),
        pytest.param(owned("apps/v1", "ReplicaSet"), True, id="made by a ReplicaSet"),
        pytest.param(owned("apps/v1", "StatefulSet", controller=False), False, id="owned, but not made"),
        pytest.param(owned("example.com/v1", "Cache"), False, id="made by something that is not reviewed"),
    ],
)
def test_what_a_reviewed_controller_makes_is_not_refused(value: dict[str, Any], allowed: bool) -> None:
    said = answered(value)
    assert said.allowed is allowed
    assert said.conclusion == "unsafe"
    assert bool(warnings(said)) is allowed


def test_resizing_what_a_controller_made_can_be_denied() -> None:
    old = owned("apps/v1", "StatefulSet")
    old["spec"]["containers"][0]["resources"]["limits"]["memory"] = "4Gi"
    assert not answered(owned("apps/v1", "StatefulSet"), "UPDATE", old=old, subResource="resize").allowed


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_the_config_map_that_was_not_read_is_named() -> None:
    said = review(parse(asked(pod(unknown_container()))), ENFORCE, Unasked(), Memory())
    assert "ConfigMap redis-conf: was not read by the webhook" in " ".join(warnings(said))


@pytest.mark.parametrize(("mode", "warned"), [("enforce", True), ("warn", True), ("audit", False)])
def test_past_the_deadline_it_is_admitted(mode: Any, warned: bool) -> None:
    with within(-1):
        said = answered(of_verdict("unsafe"), policy=Policy(mode=mode))
    assert (said.allowed, said.conclusion, said.error) == (True, "failed", "deadline")
    assert bool(warnings(said)) is warned


def test_a_bug_in_a_rule_admits_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("with requirepass hunter2 in its message")

    monkeypatch.setattr(webhook_review, "judge", broken)
    said = answered(of_verdict("unsafe"))
    assert (said.allowed, said.conclusion, said.error) == (True, "failed", "fault")
    assert isinstance(said.fault, ZeroDivisionError)
    assert "ZeroDivisionError" in warnings(said)[0]
    assert "hunter2" not in str(said.answer)


def test_an_object_that_is_nested_without_end_is_admitted() -> None:
    value = of_verdict("unsafe")
    deep: dict[str, Any] = {}
    value["spec"]["containers"][0]["env"] = [{"name": "limits.memory", "value": deep}]
    for _ in range(900):
        deep["a"] = deep = {}
    assert answered(value).conclusion in ("failed", "unsafe")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
FIELDS = st.sampled_from(
    ["name", "image", "args", "command", "env", "resources", "volumeMounts", "lifecycle", "ports", "envFrom"]
)
CONTAINERS = st.lists(st.dictionaries(FIELDS, JSON, max_size=6) | JSON, max_size=3)


@given(CONTAINERS, JSON, st.sampled_from(KINDS), st.sampled_from(["CREATE", "UPDATE"]))
def test_no_object_gets_no_answer(containers: Any, metadata: Any, kind: str, operation: str) -> None:
    value = workload(kind)
    spec = value
    for step in ("spec", "jobTemplate", "spec", "template", "spec"):
        spec = spec.get(step, spec)
    spec["containers"] = containers
    value["metadata"] = metadata
    said = answered(value, operation, old=workload(kind), name="cache", policy=Policy(mode="warn"))
    assert said.allowed
    assert said.error != "fault", said.fault
    assert said.answer["response"]["uid"]


def test_an_object_that_nests_deeper_than_any_is_answered() -> None:
    deep: Any = {}
    for _ in range(400):
        deep = {"a": deep}
    said = answered({**pod(), "extra": deep})
    assert (said.conclusion, said.error) == ("unsafe", "")
