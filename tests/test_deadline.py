"""The deadline: nothing runs far past it, whatever strangers wrote."""

from __future__ import annotations

from typing import Any

import pytest

from checker.deadline import DeadlineError, check_deadline, within
from checker.manifests import extract, parsed

SLOW_TO_FOLLOW = "for i in 1 2 3 4 5 6 7 8; do " * 5 + "if $x; then y=$i; fi; " + "done; " * 5
LONG = "echo a b c; " * 100_000


def pod(script: str, containers: int = 1) -> dict[str, Any]:
    """A Pod whose containers run a script."""
    command = ["sh", "-c", script]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "slow"},
        "spec": {"containers": [{"name": f"c{n}", "image": "redis:7", "command": command} for n in range(containers)]},
    }


def test_without_a_deadline_the_time_is_never_over() -> None:
    check_deadline()


def test_inside_the_time_nothing_happens_and_after_it_the_work_is_given_up() -> None:
    with within(60):
        check_deadline()
    with within(-1), pytest.raises(DeadlineError):
        check_deadline()
    check_deadline()  # gone with its block


def test_an_inner_deadline_never_gives_more_time_than_the_outer_one() -> None:
    with within(-1), within(60), pytest.raises(DeadlineError):
        check_deadline()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(pod(LONG), id="a script of a megabyte"),
        pytest.param(pod(SLOW_TO_FOLLOW, 3000), id="many scripts with many ways through them"),
        pytest.param(pod("redis-server " + "--maxmemory 1gb " * 100_000), id="a command line of a megabyte"),
    ],
)
def test_extraction_gives_up_at_the_deadline(value: dict[str, Any]) -> None:
    document = parsed(value, "a test")
    with within(0.1), pytest.raises(DeadlineError):
        extract([document])


def test_variables_that_double_each_other_do_not_fill_the_memory() -> None:
    value = pod("redis-server --maxmemory $A59")
    doubling = [{"name": f"A{n}", "value": f"$(A{n - 1})$(A{n - 1})"} for n in range(1, 60)]
    value["spec"]["containers"][0]["env"] = [{"name": "A0", "value": "x" * 1000}, *doubling]
    (server,) = extract([parsed(value, "a test")]).servers
    assert not isinstance(server.config.maxmemory, int)
