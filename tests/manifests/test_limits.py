from __future__ import annotations

import pytest

from checker.facts import UNLIMITED, Unread
from checker.units import GIB, MIB
from tests.manifests.making import server

RANGE = """---
kind: LimitRange
metadata: {{name: r{namespace}}}
spec: {{limits: [{{type: Container, {default}: {{memory: 512Mi}}}}]}}
"""


@pytest.mark.parametrize(
    ("memory", "count"),
    [
        ("512Mi", 512 * MIB),
        ("1G", 10**9),
        ("'1.5Gi'", 3 * GIB // 2),
        ("1e9", 10**9),
        ("134217728", 128 * MIB),
        ("50m", 1),
    ],
)
def test_limits_are_quantities(memory: str, count: int) -> None:
    limit = server(f"image: redis\nresources: {{limits: {{memory: {memory}}}}}").limit
    assert (limit.value, limit.source) == (count, "resources.limits.memory")


def test_no_limit_is_said_to_be_none() -> None:
    for resources in ("", "resources:", "resources: {limits: {}}", "resources: {limits: {memory: 0}}"):
        assert server(f"image: redis\n{resources}").limit.value is UNLIMITED


@pytest.mark.parametrize("resources", ["[1]", "{limits: x}", "{limits: {memory: 12Q}}", "{limits: {memory: [1]}}"])
def test_a_limit_that_cannot_be_read_is_not_taken_for_none(resources: str) -> None:
    assert isinstance(server(f"image: redis\nresources: {resources}").limit.value, Unread)


def test_the_smaller_of_pod_and_container_binds() -> None:
    for own, binds in (("3Gi", "spec.resources.limits.memory of the pod"), ("1Gi", "resources.limits.memory")):
        limit = server(
            f"image: redis\nresources: {{limits: {{memory: {own}}}}}", pod="resources: {limits: {memory: 2Gi}}"
        ).limit
        assert limit.source == binds


@pytest.mark.parametrize("default", ["default", "max"])
def test_a_limit_range_stands_in_where_nothing_is_written(default: str) -> None:
    more = RANGE.format(namespace="", default=default)
    limit = server("image: redis", more=more).limit
    assert (limit.value, limit.source) == (512 * MIB, "LimitRange r")
    assert server("image: redis\nresources: {limits: {memory: 1Gi}}", more=more).limit.value == GIB
    elsewhere = RANGE.format(namespace=", namespace: b", default=default)
    assert server("image: redis", more=elsewhere).limit.value is UNLIMITED


def test_limits_of_the_cpu_are_cores() -> None:
    assert server("image: redis\nresources: {limits: {cpu: 500m}}").cpu_limit_cores == 0.5
    assert isinstance(server("image: redis\nresources: {limits: {cpu: x}}").cpu_limit_cores, Unread)
