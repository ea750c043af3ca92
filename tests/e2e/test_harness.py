"""The harness itself, as far as it goes without an API server."""

from __future__ import annotations

import base64
import ssl
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.deploy.rendering import SCRIPTS
from tests.e2e import identities
from tests.e2e.assets import NAMES, SINCE, VARIABLE, Assets, Version
from tests.e2e.control_plane import ATTEMPTS, EndedEarlyError, persistent, started
from tests.e2e.kubectl import Kubectl, Said, write_kubeconfig
from tests.e2e.manifests import NAMESPACE, SERVICE, Manifest, by_service, by_url, of_kind, rendered
from tests.webhook.serving import until


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("Kubernetes v1.30.2\n", Version(1, 30), id="kube-apiserver"),
        pytest.param("Client Version: v1.36.4\nKustomize Version: v5.8.1\n", Version(1, 36), id="kubectl"),
        pytest.param("Kubernetes v1.35.0-beta.1+5b8c\n", Version(1, 35), id="before a release"),
    ],
)
def test_a_version_is_read(text: str, version: Version) -> None:
    assert Version.parse(text) == version


def test_what_names_no_version_is_told() -> None:
    with pytest.raises(ValueError, match="'unknown' names no version"):
        Version.parse("unknown")


def test_versions_are_compared_by_number() -> None:
    assert Version(1, 9) < Version(1, 30) < Version(2, 0)


def program(directory: Path, name: str, says: str = "Kubernetes v1.30.2") -> None:
    file = directory / name
    file.write_text(f"#!/bin/sh\necho {says}\n")
    file.chmod(0o755)


def test_a_folder_with_all_programs_is_taken(tmp_path: Path) -> None:
    for name in NAMES:
        program(tmp_path, name)

    assert Assets.of({VARIABLE: str(tmp_path)}) == Assets(tmp_path, Version(1, 30))


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}], ids=["not set", "empty"])
def test_without_a_folder_there_are_none(environment: dict[str, str]) -> None:
    assert Assets.of(environment) is None


def test_a_folder_that_is_not_whole_is_an_error_and_no_reason_to_skip(tmp_path: Path) -> None:
    program(tmp_path, "etcd")
    (tmp_path / "kubectl").write_text("not to be executed")

    with pytest.raises(ValueError, match="no program kube-apiserver, kubectl in it"):
        Assets.of({VARIABLE: str(tmp_path)})


def test_what_an_old_version_lacks_is_said_with_both_versions() -> None:
    since = SINCE["pods/resize"]
    old = Assets(Path(), Version(since.major, since.minor - 1))

    assert old.lacks("pods/resize") == f"pods/resize needs Kubernetes {since}, and {VARIABLE} has {old.version}"
    assert Assets(Path(), since).lacks("pods/resize") == ""
    assert old.lacks("Pod") == ""


# --- manifests ---


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return rendered(Kubectl(str(SCRIPTS / "kubectl"), tmp_path_factory.mktemp("home") / "none"))


@pytest.fixture
def configuration(manifests: list[Manifest]) -> Manifest:
    (found,) = of_kind(manifests, "ValidatingWebhookConfiguration")
    return deepcopy(found)


def test_by_service_only_the_port_changes(configuration: Manifest) -> None:
    changed = by_service(configuration, 12345)

    for before, after in zip(configuration["webhooks"], changed["webhooks"], strict=True):
        assert after["clientConfig"].pop("service") == {**before["clientConfig"].pop("service"), "port": 12345}
        assert after == before


def test_by_url_only_the_way_changes(configuration: Manifest) -> None:
    changed = by_url(configuration, 12345, b"PEM")

    for before, after in zip(configuration["webhooks"], changed["webhooks"], strict=True):
        way = {"url": "https://127.0.0.1:12345/validate", "caBundle": base64.b64encode(b"PEM").decode()}
        assert after.pop("clientConfig") == way
        assert before.pop("clientConfig")["service"]["name"] == SERVICE
        assert after == before


def test_the_names_of_the_tests_are_those_of_the_manifests(manifests: list[Manifest]) -> None:
    (namespace,) = of_kind(manifests, "Namespace")
    names = {value["metadata"]["name"] for value in of_kind(manifests, "Service", "ServiceAccount")}

    assert namespace["metadata"]["name"] == NAMESPACE
    assert SERVICE in names


# --- identities ---


def test_a_server_is_checked_by_its_authority_alone(tmp_path: Path) -> None:
    ours, stranger = identities.authority("ours"), identities.authority("a stranger's")
    server = identities.server(ours, "localhost")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(server.certificate_pem())
    key.write_bytes(server.key_pem())
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)

    assert shakes_hands(serving, ours, "127.0.0.1")
    assert shakes_hands(serving, ours, "localhost")
    assert not shakes_hands(serving, ours, "example.org")
    assert not shakes_hands(serving, stranger, "127.0.0.1")


def shakes_hands(serving: ssl.SSLContext, authority: identities.Identity, name: str) -> bool:
    """Does a client that trusts this authority alone take the server for `name`? Strictly, as Python 3.13 checks."""
    trusting = ssl.create_default_context(cadata=authority.certificate_pem().decode())
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
            if end is client:
                return True
    raise AssertionError("the handshake did not end")


# --- kubectl and programs ---


def test_kubectl_reads_nothing_of_who_runs_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = write_kubeconfig(tmp_path / "theirs", "https://127.0.0.1:1", b"theirs")
    ours = write_kubeconfig(tmp_path / "ours", "https://127.0.0.1:2", b"ours", token="secret")
    monkeypatch.setenv("KUBECONFIG", str(theirs))

    said = Kubectl(str(SCRIPTS / "kubectl"), ours).run("config", "view", "--minify").ok()

    (cluster,) = yaml.safe_load(said.stdout)["clusters"]
    assert cluster["cluster"]["server"] == "https://127.0.0.1:2"


def test_warnings_are_told_from_the_rest_and_put_together() -> None:
    stderr = "Warning: bgsafe: one sentence that is\nWarning:   cut in two\nError from server (Forbidden): no\n"

    said = Said("kubectl create", 1, "", stderr)

    assert said.warnings == ["bgsafe: one sentence that is", "  cut in two"]
    assert said.told == "bgsafe: one sentence that is cut in two"
    assert not said.denied


def test_a_program_is_waited_for_and_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-u", "-c", "print('here'); import time; time.sleep(60)"]

    with started(command, log, lambda: "here" in log.read_text()) as process:
        assert process.poll() is None

    assert process.poll() is not None


def test_a_program_that_ends_early_is_told_with_its_log_after_some_attempts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "import sys; sys.exit('address already in use')"]

    with (
        pytest.raises(EndedEarlyError, match=r"ended with code 1:\n(address already in use\n)+"),
        persistent(lambda: started(command, log, lambda: False)),
    ):
        pass

    assert log.read_text().count("address already in use") == ATTEMPTS


def test_a_program_that_does_not_end_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here'); time.sleep(60)"

    with started(
        [sys.executable, "-u", "-c", ignoring], log, lambda: "here" in log.read_text(), patience=0.2
    ) as process:
        pass

    until(lambda: process.poll() == -9)
