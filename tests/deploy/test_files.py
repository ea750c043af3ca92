"""Files of other projects' formats, against those projects' schemas; and what the documents tell people to write."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.rendering import ROOT, helm, kustomize, objects, run, tool
from tests.report.official import stored_schema

STORE = "https://json.schemastore.org"
COMPOSE = "https://raw.githubusercontent.com/compose-spec/compose-spec/master/schema/compose-spec.json"
INSTALL = (ROOT / "docs/install.md").read_text()

FILES = [
    ("deploy/helm/bgsafe/Chart.yaml", f"{STORE}/chart.json", jsonschema.Draft7Validator),
    ("deploy/compose.yaml", COMPOSE, jsonschema.Draft201909Validator),
]


@pytest.mark.parametrize(("file", "url", "validator"), FILES, ids=[file for file, *_ in FILES])
def test_it_is_of_its_projects_schema(file: str, url: str, validator: Any) -> None:
    validator(stored_schema(url)).validate(yaml.safe_load((ROOT / file).read_text()))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", INSTALL, re.DOTALL)


def test_the_overlay_of_the_documents_can_be_built(tmp_path: Path) -> None:
    """All components, each once: that they can be combined."""
    (overlay,) = (block for block in blocks("yaml") if "kind: Kustomization" in block)
    above = os.path.relpath(ROOT, tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(overlay.replace("- bgsafe/", f"- {above}/"))
    built = objects(run(tool("kubectl"), "kustomize", str(tmp_path)))
    assert {value["kind"] for value in built} >= {value["kind"] for value in kustomize()} | {
        "Certificate",
        "PodMonitor",
    }


def test_the_values_of_the_documents_are_the_charts(tmp_path: Path) -> None:
    found = [block for block in blocks("yaml") if "kind: Kustomization" not in block]
    assert found
    for values in found:
        assert helm(values)


def test_every_value_that_a_document_names_is_there() -> None:
    values = yaml.safe_load((ROOT / "deploy/helm/bgsafe/values.yaml").read_text())
    named = set()
    for page in ("install", "operations", "security"):
        text = (ROOT / f"docs/{page}.md").read_text()
        named |= set(re.findall(r"(?:`|--set )((?:webhook|agent|monitoring|image|networkPolicy)(?:\.\w+)+)", text))
    for name in sorted(named):
        value = values
        for key in name.split("."):
            assert key in value, name
            value = value[key]
    assert len(named) > 10
