"""The deployment as the tools render it: `kubectl kustomize` and `helm template`, from packages."""

from __future__ import annotations

import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
SCRIPTS = Path(sysconfig.get_path("scripts"))

Object = dict[str, Any]


@cache
def kustomize(directory: Path = KUSTOMIZE) -> tuple[Object, ...]:
    """The objects that `kubectl apply -k` would send, in its order."""
    command = [str(SCRIPTS / "kubectl"), "kustomize", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def named(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    """The one object of this kind and name."""
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)
    return found
