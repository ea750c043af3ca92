"""The deployment as the tools render it: `kubectl kustomize` and `helm template`, from packages."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
CHART = ROOT / "deploy" / "helm" / "bgsafe"
SCRIPTS = Path(sysconfig.get_path("scripts"))

Object = dict[str, Any]


COMPONENTS = ("resolve", "node-facts", "pod-names")
"""What deploy/kustomize/kustomization.yaml has."""


def tool(name: str) -> str:
    """The path of a program in the virtual environment, where pip put it."""
    path = SCRIPTS / name
    if not path.exists():
        pytest.skip(f"{path} is not there: `make test` installs it")
    return str(path)


def run(*command: str) -> str:
    """What a program prints; its error where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def kustomize(components: Sequence[str] | None = None) -> tuple[Object, ...]:
    """The objects that `kubectl apply -k deploy/kustomize` would send; with other components than it has, if given."""
    if components is None:
        return objects(run(tool("kubectl"), "kustomize", str(KUSTOMIZE)))
    written = yaml.safe_load((KUSTOMIZE / "kustomization.yaml").read_text())
    with tempfile.TemporaryDirectory() as directory:
        above = os.path.relpath(KUSTOMIZE, Path(directory).resolve())
        written["resources"] = [f"{above}/{one}" for one in written["resources"]]
        written["components"] = [f"{above}/components/{one}" for one in components]
        (Path(directory) / "kustomization.yaml").write_text(yaml.safe_dump(written))
        return objects(run(tool("kubectl"), "kustomize", directory))


def kustomize_directory(name: str) -> tuple[Object, ...]:
    """The objects of `kubectl apply -k deploy/kustomize/NAME`."""
    return objects(run(tool("kubectl"), "kustomize", str(KUSTOMIZE / name)))


@cache
def helm(values: str = "{}", release: str = "bgsafe", namespace: str = "bgsafe") -> tuple[Object, ...]:
    """The chart's objects with these values (YAML), hooks too."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        command = [tool("helm"), "template", release, str(CHART), "--namespace", namespace, "--values", file.name]
        return objects(run(*command))


def objects(text: str) -> tuple[Object, ...]:
    return tuple(value for value in yaml.safe_load_all(text) if value is not None)


def named(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    """The one object of this kind and name."""
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)
    return found
