"""etcd and kube-apiserver on loopback: ports that were free, files of their own, ended by process id.

No controller and no scheduler run, as envtest has it: what they would make, a test makes.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e.assets import Assets, Version
from tests.e2e.identities import authority, client, key_pem, new_key, server
from tests.e2e.kubectl import Kubectl, write_kubeconfig
from tests.webhook.serving import free_port

START_SECONDS = 120.0
"""On a machine that does other things too; alone it takes a tenth of it."""

ATTEMPTS = 3
"""Between finding a free port and listening on it, somebody else may take it."""

ADMIN = "admin"

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "Metadata", "verbs": ["create", "update", "patch"]},
        {"level": "None"},
    ],
}
"""What users change, and all that programs do."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server."""

    url: str
    authority: bytes  # PEM, of its certificate
    version: Version
    admin: Kubectl
    audit_log: Path
    directory: Path

    def kubeconfig(self, name: str, token: str) -> Path:
        """One for the owner of a token."""
        return write_kubeconfig(self.directory / f"{name}.kubeconfig", self.url, self.authority, token=token)

    def audited(self) -> list[dict[str, Any]]:
        """The events of the audit log that are about objects."""
        text = self.audit_log.read_text() if self.audit_log.exists() else ""
        whole, _, _being_written = text.rpartition("\n")
        return [event for event in map(json.loads, whole.splitlines()) if "objectRef" in event]

    def audited_in(self, namespace: str) -> list[dict[str, Any]]:
        """Those of them that users caused in this namespace."""
        return [
            event
            for event in self.audited()
            if event["objectRef"].get("namespace") == namespace and event["user"]["username"] == ADMIN
        ]


Started = TypeVar("Started")


class EndedEarlyError(Exception):
    """A program ended before it was ready."""


@contextmanager
def control_plane(assets: Assets, directory: Path) -> Iterator[ControlPlane]:
    """Start both, wait until they answer, and end them."""
    with ExitStack() as stack:
        store = stack.enter_context(persistent(lambda: _etcd(assets, directory)))
        yield stack.enter_context(persistent(lambda: _api_server(assets, directory, store)))


@contextmanager
def persistent(make: Callable[[], AbstractContextManager[Started]]) -> Iterator[Started]:
    """Enter what `make` makes; once more where it ended early."""
    with ExitStack() as stack:
        for left in reversed(range(ATTEMPTS)):
            try:
                made = stack.enter_context(make())
                break
            except EndedEarlyError:
                if not left:
                    raise
        yield made


@contextmanager
def _etcd(assets: Assets, directory: Path) -> Iterator[str]:
    """The address of a running etcd."""
    port = free_port()
    ours, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    command = [
        assets.path("etcd"),
        f"--data-dir={directory / f'etcd-{port}'}",
        f"--listen-client-urls={ours}",
        f"--advertise-client-urls={ours}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",  # nothing here outlives the test
    ]
    with started(command, directory / "etcd.log", lambda: _answers(f"{ours}/health")):
        yield ours


@contextmanager
def _api_server(assets: Assets, directory: Path, store: str) -> Iterator[ControlPlane]:
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    ca = authority("control plane")
    serving = server(ca, "localhost", "kubernetes.default.svc")
    audit_log = directory / "audit.log"
    files = {
        "ca.crt": ca.certificate_pem(),
        "serving.crt": serving.certificate_pem(),
        "serving.key": serving.key_pem(),
        "accounts.key": key_pem(new_key()),
        "audit-policy.json": json.dumps(AUDIT_POLICY).encode(),
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    kubeconfig = write_kubeconfig(
        directory / "admin.kubeconfig", url, files["ca.crt"], user=client(ca, ADMIN, "system:masters")
    )
    admin = Kubectl(assets.path("kubectl"), kubeconfig)
    command = [
        assets.path("kube-apiserver"),
        f"--etcd-servers={store}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        f"--client-ca-file={directory / 'ca.crt'}",
        f"--tls-cert-file={directory / 'serving.crt'}",
        f"--tls-private-key-file={directory / 'serving.key'}",
        "--service-account-issuer=https://127.0.0.1",
        f"--service-account-key-file={directory / 'accounts.key'}",
        f"--service-account-signing-key-file={directory / 'accounts.key'}",
        # Nobody makes the service account `default` of a namespace here, without which it refuses every pod.
        "--disable-admission-plugins=ServiceAccount",
        f"--audit-policy-file={directory / 'audit-policy.json'}",
        f"--audit-log-path={audit_log}",
        "--allow-privileged=true",
    ]

    def ready() -> bool:
        """Also with the namespaces that it makes for itself a moment later."""
        healthy = admin.run("get", "--raw", "/readyz").code == 0
        return healthy and admin.run("get", "namespaces", "default", "kube-system").code == 0

    with started(command, directory / "kube-apiserver.log", ready):
        yield ControlPlane(url, files["ca.crt"], assets.version, admin, audit_log, directory)


@contextmanager
def started(
    command: Sequence[str], log: Path, ready: Callable[[], bool], *, patience: float = 15.0
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, wait until it is ready, and end it. EndedEarlyError and TimeoutError have the end of its log."""
    # A proxy would be asked for the name of the Service, which nobody knows but the API server.
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        _wait(process, log, ready)
        yield process
    finally:
        _end(process, patience)


def _wait(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    last = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise EndedEarlyError(f"{process.args} ended with code {process.returncode}:\n{_end_of(log)}")
        if time.monotonic() > last:
            raise TimeoutError(f"{process.args} was not ready within {START_SECONDS:g} s:\n{_end_of(log)}")
        time.sleep(0.1)


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    """Ask it to end; kill it where it does not within so many seconds."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
