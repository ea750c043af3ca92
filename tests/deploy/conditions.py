"""matchConditions, evaluated by CEL's own C++ runtime with what Kubernetes adds to the language.

`object` is of no known type there, as it is in a webhook's matchConditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.deploy.rendering import Object

NO_WHEEL = "CEL's runtime is not there: it is published for x86-64"
cel = pytest.importorskip("cel_expr_python.cel", reason=NO_WHEEL)
ext_optional = pytest.importorskip("cel_expr_python.ext.ext_optional", reason=NO_WHEEL)

_SUM = cel.FunctionDecl(
    "sum",
    [cel.Overload("list_int_sum", cel.Type.INT, [cel.Type.List(cel.Type.INT)], is_member=True, impl=sum)],
)
"""k8s.io/apiserver pkg/cel/library/lists.go."""


def compiled(expression: str) -> Callable[..., bool]:
    """The expression as a question about an object, and what it was before; what is an error in CEL is one here."""
    extensions = [ext_optional.ExtOptional(), cel.CelExtension("kubernetes_lists", [_SUM])]
    variables = {"object": cel.Type.DYN, "oldObject": cel.Type.DYN}
    environment = cel.NewEnv(variables=variables, extensions=extensions)
    program = environment.compile(expression)

    def ask(value: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> bool:
        answer = program.eval(environment.Activation({"object": dict(value), "oldObject": dict(old or {})})).value()
        assert isinstance(answer, bool), f"an error counts as no under failurePolicy Ignore: {answer}"
        return answer

    return ask


def leaves_the_api_server(webhook: Object) -> Callable[[Mapping[str, Any]], bool]:
    """Do all conditions of this webhook hold?"""
    asks = [compiled(condition["expression"]) for condition in webhook.get("matchConditions", ())]
    return lambda value: all(ask(value) for ask in asks)
