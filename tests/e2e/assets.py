"""The binaries of a control plane, where `KUBEBUILDER_ASSETS` says that they are."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "KUBEBUILDER_ASSETS"
NAMES = ("etcd", "kube-apiserver", "kubectl")

WITHOUT = f"{VARIABLE} is not set: it names a folder with {', '.join(NAMES)}"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Of Kubernetes; a patch release changes no interface."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `Kubernetes v1.30.2` or kubectl's `Client Version: v1.36.4`; raise ValueError."""
        found = re.search(r"\bv(\d+)\.(\d+)\.", text)
        if found is None:
            raise ValueError(f"{text!r} names no version (expected like v1.30.2)")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


SINCE = {
    "CronJob": Version(1, 21),  # of batch/v1
    "matchConditions": Version(1, 30),  # stable
    "pods/resize": Version(1, 33),  # on without a feature gate
}
"""Where the API server can do what a test needs. All versions that Kubernetes still maintains can do most of it."""


@dataclass(frozen=True, slots=True)
class Assets:
    """A folder that has them all."""

    directory: Path
    version: Version  # of kube-apiserver

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Assets | None:
        """Those of the environment; None where it names none. Raises ValueError where what it names is not whole."""
        named = environment.get(VARIABLE)
        if not named:
            return None
        directory = Path(named).absolute()
        missing = [name for name in NAMES if not os.access(directory / name, os.X_OK)]
        if missing:
            raise ValueError(f"{VARIABLE}={named}: no program {', '.join(missing)} in it")
        said = subprocess.run(
            [directory / "kube-apiserver", "--version"], capture_output=True, text=True, timeout=60, check=True
        )
        return cls(directory, Version.parse(said.stdout))

    def lacks(self, feature: str) -> str:
        """Why a test that needs this is skipped; "" where it is not, as with what all versions have."""
        since = SINCE.get(feature)
        if since is None or since <= self.version:
            return ""
        return f"{feature} needs Kubernetes {since}, and {VARIABLE} has {self.version}"

    def path(self, name: str) -> str:
        return str(self.directory / name)
