"""The ratchet, over any two objects: an update is denied where its verdict is worse than before, and nowhere else."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from checker.policy import Policy
from tests.webhook.making import answered, container, pod, unknown_container
from webhook.review.ratchet import SEVERITY

SIZES = st.integers(1, 2000).map(lambda size: f"{size}mb") | st.none()
LIMITS = st.sampled_from([{}, {"memory": "1Gi"}, {"memory": "4Gi"}, {"memory": "lots"}])
SERVERS = st.builds(lambda size, limits: container(size, resources={"limits": limits}), SIZES, LIMITS)
CONTAINERS = st.lists(SERVERS | st.builds(unknown_container) | st.just({"name": "web", "image": "nginx"}), max_size=3)
PODS = CONTAINERS.map(lambda found: pod(*[{**each, "name": f"c{n}"} for n, each in enumerate(found)]))
POLICIES = st.builds(
    Policy,
    mode=st.just("enforce"),
    deny_on=st.sampled_from(["unsafe", "risky"]),
    unknown=st.sampled_from(["warn", "deny"]),
)


def severity(value: dict[str, Any]) -> int:
    """Of the verdict that the object gets by itself."""
    conclusion = answered(value, policy=Policy(mode="warn")).conclusion
    return {"none": 0, **SEVERITY}[conclusion]


@settings(max_examples=60)
@given(PODS, PODS, POLICIES)
def test_an_update_is_denied_where_its_verdict_is_denied_and_worse(
    old: dict[str, Any], new: dict[str, Any], policy: Policy
) -> None:
    worse = severity(new) > severity(old)
    admitted_anew = answered(new, policy=policy).allowed
    assert answered(new, "UPDATE", old=old, policy=policy).allowed is (admitted_anew or not worse)


@settings(max_examples=30)
@given(PODS, POLICIES)
def test_an_update_that_changes_nothing_is_admitted(value: dict[str, Any], policy: Policy) -> None:
    assert answered(value, "UPDATE", policy=policy).allowed
