"""Every manifest, against Kubernetes' own schemas, strictly: an unknown field is an error."""

from __future__ import annotations

import kubernetes_validate
import pytest

from tests.deploy.rendering import Object, kustomize

OLDEST, NEWEST = "1.30", "1.37"
"""1.30: matchConditions are on for everybody. docs/install.md names both."""


def wrong(value: Object, version: str) -> str:
    """What the schema of this version says against the object; "" where it says nothing."""
    try:
        kubernetes_validate.validate(value, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{value['kind']} {value['metadata']['name']} at {'.'.join(map(str, error.path))}: {error.message}"
    return ""


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_kustomize_base_is_of_the_schema(version: str) -> None:
    assert [said for value in kustomize() if (said := wrong(value, version))] == []


def test_the_schemas_do_refuse() -> None:
    deployment = next(value for value in kustomize() if value["kind"] == "Deployment")
    assert "replica" in wrong({**deployment, "spec": {**deployment["spec"], "replica": 2}}, NEWEST)
