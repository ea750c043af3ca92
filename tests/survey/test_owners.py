"""Who made an object, and what is judged in its place."""

from __future__ import annotations

import pytest

from checker.survey.owners import Owner, controller_of, instance_of, judged_as
from tests.survey.fleet import owned


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        pytest.param({}, None, id="nobody"),
        pytest.param(owned("StatefulSet", "cache"), Owner("a", "StatefulSet", "cache"), id="a StatefulSet"),
        pytest.param(
            owned("ReplicaSet", "rank-6f9c") | {"labels": {"pod-template-hash": "6f9c"}},
            Owner("a", "Deployment", "rank"),
            id="the ReplicaSet of a Deployment",
        ),
        pytest.param(owned("ReplicaSet", "lone"), Owner("a", "ReplicaSet", "lone"), id="a ReplicaSet alone"),
        pytest.param({"ownerReferences": [{"kind": "X", "name": "y"}]}, None, id="an owner that does not control it"),
        pytest.param({"ownerReferences": "x"}, None, id="owners of a wrong type"),
        pytest.param({"ownerReferences": [{"controller": True}]}, None, id="an owner without a name"),
    ],
)
def test_the_controller_is_found(metadata, owner):
    assert controller_of({"metadata": {"namespace": "a", "name": "p", **metadata}}) == owner


def test_only_an_owner_that_was_listed_is_judged_in_its_place():
    value = {"metadata": {"namespace": "a", **owned("RedisFailover", "x")}}
    assert judged_as(value, {"StatefulSet"}) is None
    assert judged_as(value, {"RedisFailover"}) == Owner("a", "RedisFailover", "x")


@pytest.mark.parametrize(
    ("metadata", "instance"),
    [
        ({"name": "n"}, "n"),
        ({"name": "n", "labels": {"app": "a"}}, "a"),
        ({"name": "n", "labels": {"app": "a"}, "annotations": {"meta.helm.sh/release-name": "r"}}, "r"),
        ({"name": "n", "labels": {"app.kubernetes.io/instance": "i", "app": "a"}}, "i"),
    ],
)
def test_what_belongs_together_has_one_name(metadata, instance):
    assert instance_of({"metadata": metadata}) == instance
