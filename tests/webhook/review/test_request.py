"""Reading a review: what is asked, and whose fault it is where that cannot be told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhook.making import asked, pod
from webhook.review.request import MalformedReviewError, parse


def without(key: str) -> dict[str, Any]:
    body = asked(pod())
    del body["request"][key]
    return body


def changed(**fields: Any) -> dict[str, Any]:
    return asked(pod(), **fields)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param([], "the body is not a JSON object", id="a list"),
        pytest.param({}, "no AdmissionReview of admission.k8s.io/v1", id="empty"),
        pytest.param({**asked(pod()), "apiVersion": "admission.k8s.io/v1beta1"}, "admission.k8s.io/v1", id="version"),
        pytest.param({**asked(pod()), "kind": "Pod"}, "no AdmissionReview", id="kind"),
        pytest.param({**asked(pod()), "request": None}, "request is not a JSON object", id="no request"),
        pytest.param(without("uid"), "request.uid is empty", id="no uid"),
        pytest.param(changed(uid=7), "request.uid is not text", id="a number as uid"),
        pytest.param(changed(operation="create"), "request.operation is none of CREATE", id="operation"),
        pytest.param(changed(kind="Pod"), "request.kind is not a JSON object", id="kind as text"),
        pytest.param(changed(kind={"kind": 1}), "request.kind.kind is not text", id="a number as kind"),
        pytest.param(changed(namespace=["shop"]), "request.namespace is not text", id="a list as namespace"),
        pytest.param(without("object"), "request.object is not a JSON object", id="nothing to create"),
        pytest.param(asked(pod(), "UPDATE", oldObject=None), "request.oldObject is not", id="nothing to update"),
    ],
)
def test_a_malformed_review_is_named(body: object, why: str) -> None:
    with pytest.raises(MalformedReviewError, match=why.replace(".", r"\.")):
        parse(body)


def test_the_object_takes_its_kind_name_and_namespace_from_the_request() -> None:
    body = changed(kind={"group": "apps", "version": "v1", "kind": "ReplicaSet"}, name="other", namespace="team-a")
    value = parse(body).value
    assert (value["apiVersion"], value["kind"]) == ("apps/v1", "ReplicaSet")
    assert (value["metadata"]["name"], value["metadata"]["namespace"]) == ("other", "team-a")


@pytest.mark.parametrize("namespace", ["", None])
def test_an_object_in_no_namespace_is_in_none(namespace: str | None) -> None:
    assert parse(changed(namespace=namespace)).namespace is None


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_where_nothing_is_reviewed_no_object_is_needed(operation: str) -> None:
    assert parse(asked(pod(), operation, object=None, oldObject=None)).value == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(st.sampled_from([*asked(pod())["request"], "subResource"]), JSON)
def test_whatever_is_in_a_field_it_is_read_or_refused(field: str, value: Any) -> None:
    body = asked(pod(), "UPDATE")
    body["request"][field] = value
    try:
        assert parse(body).uid == body["request"]["uid"]
    except MalformedReviewError as error:
        assert str(error)
