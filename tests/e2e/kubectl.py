"""kubectl as a user runs it, and what it says back."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.identities import Identity

SECONDS = 90.0
"""For one command: the API server asks a webhook for at most 30 s."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and how it ended."""

    command: str
    code: int
    stdout: str
    stderr: str

    @property
    def warnings(self) -> list[str]:
        """The lines that the API server's warnings became, without their prefix."""
        prefix = "Warning: "
        return [line.removeprefix(prefix) for line in self.stderr.splitlines() if line.startswith(prefix)]

    @property
    def told(self) -> str:
        """The warnings as one text: a long sentence goes on in the next one."""
        return " ".join(line.strip() for line in self.warnings)

    @property
    def denied(self) -> bool:
        return self.code != 0 and "denied the request" in self.stderr

    def ok(self) -> Said:
        """Itself, where the command did what it should."""
        assert self.code == 0, f"{self.command}\n{self.stderr}"
        return self

    def __str__(self) -> str:
        return f"{self.command}\nexit code {self.code}\n{self.stdout}{self.stderr}"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The program, with the credentials of one user, in one namespace ("": in that of each object, or `default`)."""

    program: str
    kubeconfig: Path
    namespace: str = ""

    def within(self, namespace: str) -> Kubectl:
        return Kubectl(self.program, self.kubeconfig, namespace)

    def run(self, *arguments: str, given: Any = None) -> Said:
        """Run it; `given` is an object, or a list of them, for its standard input."""
        within = (f"--namespace={self.namespace}",) if self.namespace else ()
        command = [self.program, *within, *arguments]
        # Nothing of who runs the tests: no caches, no proxies, no kubeconfig.
        home = self.kubeconfig.parent
        environment = {"HOME": str(home), "KUBECONFIG": str(self.kubeconfig), "PATH": os.environ.get("PATH", "")}
        text = None if given is None else json.dumps(_listed(given))
        done = subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        return Said(" ".join(["kubectl", *command[1:]]), done.returncode, done.stdout, done.stderr)

    def create(self, given: Any, *arguments: str) -> Said:
        return self.run("create", "-f", "-", *arguments, given=given)

    def apply(self, given: Any, *arguments: str) -> Said:
        return self.run("apply", "-f", "-", *arguments, given=given)

    def patch(self, what: str, patch: Any, *arguments: str) -> Said:
        """A merge patch; `what` is like `pod/cache`."""
        return self.run("patch", what, "--type=merge", "--patch", json.dumps(patch), *arguments)

    def read(self, *arguments: str) -> Any:
        """The object of a `get`, as JSON."""
        return json.loads(self.run("get", *arguments, "--output=json").ok().stdout)

    def exists(self, what: str) -> bool:
        return self.run("get", what).code == 0

    def raw(self, path: str) -> str:
        return self.run("get", "--raw", path).ok().stdout


def _listed(given: Any) -> Any:
    return {"apiVersion": "v1", "kind": "List", "items": given} if isinstance(given, list) else given


def write_kubeconfig(path: Path, url: str, authority: bytes, *, user: Identity | None = None, token: str = "") -> Path:
    """A kubeconfig for one user: with a certificate, or with a token."""
    credentials = {"token": token}
    if user is not None:
        credentials = {
            "client-certificate-data": base64.b64encode(user.certificate_pem()).decode(),
            "client-key-data": base64.b64encode(user.key_pem()).decode(),
        }
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(authority).decode()}
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "loopback", "cluster": cluster}],
        "users": [{"name": "user", "user": credentials}],
        "contexts": [{"name": "user", "context": {"cluster": "loopback", "user": "user"}}],
        "current-context": "user",
    }
    path.write_text(json.dumps(value))
    path.chmod(0o600)
    return path
