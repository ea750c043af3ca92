"""`bgsafe webhook` as it is started in a pod: real command, real TLS, real reviews."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.webhook.clusters import api_server, kubeconfig
from tests.webhook.serving import Running, another, free_port, mount, new_pair, started, until

pytestmark = pytest.mark.live

COMMAND = ("-m", "checker.cli", "webhook", "--drain-seconds", "0.1")


def review(memory: str) -> bytes:
    """A Pod with a Redis of 1 GB under a limit, as the API server sends it."""
    container = {
        "name": "redis",
        "image": "redis:7.4",
        "args": ["--maxmemory", "1gb"],
        "resources": {"limits": {"memory": memory}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "cache", "namespace": "shop"},
        "spec": {"containers": [container]},
    }
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "cache",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "admin"},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def ask(server: Running, body: bytes) -> dict[str, Any]:
    client = server.http()
    client.request("POST", "/validate?timeout=3s", body, {"Content-Type": "application/json"})
    answer = client.getresponse()
    assert answer.status == 200
    response: dict[str, Any] = json.loads(answer.read())["response"]
    client.close()
    return response


def resident_kb(server: Running) -> int:
    """What the pod's cgroup is charged: anonymous pages that both processes share, and files, count once."""
    anonymous, files = 0, []
    for pid in (server.process.pid, server.worker()):
        smaps = Path(f"/proc/{pid}/smaps_rollup").read_text()
        anonymous += int(smaps.partition("Pss_Anon:")[2].split()[0])
        files.append(int(Path(f"/proc/{pid}/status").read_text().partition("RssFile:")[2].split()[0]))
    return anonymous + max(files)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text("apiVersion: bgsafe.io/v1\nkind: Policy\nmode: enforce\n")
    return path


@pytest.fixture
def server(tmp_path: Path, policy: Path) -> Iterator[Running]:
    authority, pair = new_pair()
    mount(tmp_path / "tls", pair, 1)
    port = free_port()
    files = ["--tls-cert", str(tmp_path / "tls/tls.crt"), "--tls-key", str(tmp_path / "tls/tls.key")]
    command = [*COMMAND, "--listen", f"127.0.0.1:{port}", *files, "--policy", str(policy)]
    with started(command, port, authority, tmp_path / "log") as running:
        yield running


def test_an_unsafe_pod_is_denied_and_a_safe_one_is_not(server: Running) -> None:
    denied = ask(server, review("1100Mi"))
    assert denied["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    assert denied["allowed"] is False
    assert denied["status"]["code"] == 403
    assert ask(server, review("4Gi"))["allowed"] is True
    assert server.get("/healthz") == server.get("/readyz") == server.get("/metrics") == 200


def test_a_changed_policy_counts_and_a_bad_one_does_not(server: Running, policy: Path) -> None:
    policy.write_text("apiVersion: bgsafe.io/v1\nkind: Policy\nmode: enforced\n")
    until(lambda: not ask(server, review("1100Mi"))["allowed"] and "policy_rejected" in server.log())
    policy.write_text("apiVersion: bgsafe.io/v1\nkind: Policy\nmode: warn\n")
    until(lambda: ask(server, review("1100Mi"))["allowed"])


def test_the_certificate_follows_the_mounted_secret(server: Running, tmp_path: Path) -> None:
    new = another(server.authority)
    mount(tmp_path / "tls", new, 2)
    until(lambda: "certificate_loaded" in server.log())
    with server.connect() as client:
        assert client.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(new.certificate.decode())


def test_the_pod_stays_below_120_mb(server: Running) -> None:
    for _ in range(200):
        ask(server, review("1100Mi"))
    assert resident_kb(server) < 120_000


def test_it_has_no_file_open_but_its_log(server: Running) -> None:
    """Keys live in memory, so that the root filesystem may be read-only."""
    assert ask(server, review("4Gi"))["allowed"]
    for pid in (server.process.pid, server.worker()):
        links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
        files = {link for link in links if link.startswith("/") and not link.startswith("/dev/")}
        assert files == {str(server.stderr)}


def test_two_replicas_that_start_at_once_make_one_ca_and_serve_what_it_signed(tmp_path: Path) -> None:
    configuration = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/bgsafe"
    webhooks = [{"name": "pods.bgsafe.io", "clientConfig": {}}]
    objects: dict[str, dict[str, Any]] = {
        configuration: {"metadata": {"name": "bgsafe", "resourceVersion": "1"}, "webhooks": webhooks}
    }
    unknown, _ = new_pair()
    with api_server(objects, []) as url, ExitStack() as replicas:
        ports = [free_port(), free_port()]
        options = [*COMMAND, "--self-signed", "--namespace", "ops", "--kubeconfig", str(kubeconfig(tmp_path, url))]
        processes = [
            replicas.enter_context(
                started(
                    [*options, "--listen", f"127.0.0.1:{port}"], port, unknown, tmp_path / str(port), until_ready=False
                )
            )
            for port in ports
        ]
        for running in processes:
            until(lambda running=running: '"ready"' in running.log(), 20)  # type: ignore[misc]
        bundle = base64.b64decode(objects[configuration]["webhooks"][0]["clientConfig"]["caBundle"])
        assert bundle.count(b"BEGIN CERTIFICATE") == 1
        tls = ssl.create_default_context(cadata=bundle.decode())
        for running in processes:
            raw = socket.create_connection(("127.0.0.1", running.port), timeout=10)
            with tls.wrap_socket(raw, server_hostname="bgsafe-webhook.ops.svc") as client:
                client.sendall(b"GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 200"
            assert resident_kb(running) < 120_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param([], "give --tls-cert and --tls-key, or --self-signed", id="no certificate"),
        pytest.param(["--tls-cert", "a"], "give --tls-cert and --tls-key", id="no key"),
        pytest.param(["--self-signed"], "need --namespace", id="not in a pod"),
        pytest.param(["--tls-cert", "a", "--tls-key", "b", "--listen", "here"], "is not an address", id="no address"),
        pytest.param(["--tls-cert", "a", "--tls-key", "b", "--policy", "none.yaml"], "none.yaml", id="no policy"),
        pytest.param(["--tls-cert", "a", "--tls-key", "b", "--listen", "127.0.0.1:0"], "cannot_start", id="no files"),
    ],
)
def test_a_wrong_configuration_refuses_to_start(options: list[str], message: str) -> None:
    done = subprocess.run([sys.executable, *COMMAND, *options], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert message in done.stderr
