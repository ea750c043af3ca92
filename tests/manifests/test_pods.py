from __future__ import annotations

import pytest

from checker.facts import Unread
from checker.manifests.pods import expand_references
from checker.units import GIB, MIB
from tests.manifests.making import server


@pytest.mark.parametrize(
    ("value", "complete", "expanded"),
    [
        pytest.param("$(A)b", True, "1b", id="known"),
        pytest.param("$$(A)", True, "$(A)", id="escaped"),
        pytest.param("$(B)", True, "$(B)", id="unknown stays"),
        pytest.param("$(B)", False, "\ue000", id="unless it may be set elsewhere"),
        pytest.param("$A ${A}", True, "$A ${A}", id="not the shell's"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(value: str, complete: bool, expanded: str) -> None:
    assert expand_references(value, {"A": "1"}, complete=complete) == expanded


@pytest.mark.parametrize(
    ("divisor", "argument", "maxmemory"),
    [
        pytest.param("", "$(L)", GIB, id="bytes"),
        pytest.param("divisor: 1Mi", "$(L)mb", GIB, id="MiB"),
        pytest.param("divisor: 1M", "$(L)mb", 1074 * MIB, id="rounded up"),
    ],
)
def test_the_limit_comes_down_as_a_variable(divisor: str, argument: str, maxmemory: int) -> None:
    found = server(
        f"""
        image: redis
        args: [--maxmemory, {argument}]
        resources: {{limits: {{memory: 1Gi}}}}
        env: [{{name: L, valueFrom: {{resourceFieldRef: {{resource: limits.memory, {divisor}}}}}}}]
        """
    )
    assert found.config.maxmemory == maxmemory


def test_secrets_and_the_pods_own_fields_are_decided_at_run_time() -> None:
    for source in ("secretKeyRef: {name: s, key: k}", "fieldRef: {fieldPath: status.podIP}"):
        found = server(f"image: redis\nargs: [--maxmemory, $(M)]\nenv: [{{name: M, valueFrom: {{{source}}}}}]")
        assert isinstance(found.config.maxmemory, Unread)
        assert "run time" in found.config.maxmemory.why
