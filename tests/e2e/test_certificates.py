"""Certificates, as an API server checks them: made by the webhook itself, or given as files."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from checker.cluster.api import connect
from checker.cluster.certificates import ClusterStore
from tests.e2e import identities
from tests.e2e.control_plane import ControlPlane
from tests.e2e.installed import SECONDS, Installed, apply, is_asked, validation
from tests.e2e.kubectl import Kubectl
from tests.e2e.manifests import CONFIGURATION, NAMESPACE, SECRET, SERVICE, by_service, by_url
from tests.e2e.objects import pod
from tests.e2e.webhooks import HOST, webhook
from tests.webhook.serving import free_port, mount, until
from webhook.certs import Place, keep, utc_now
from webhook.issuing import Lifetimes, Pair

pytestmark = pytest.mark.live

NAMES = (HOST, f"{HOST}.cluster.local", f"{SERVICE}.{NAMESPACE}")
PLACE = Place(namespace=NAMESPACE, secret=SECRET, configuration=CONFIGURATION, names=NAMES)


def authorities(bundle: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle)


@pytest.fixture
def nothing(cluster: ControlPlane) -> Iterator[None]:
    """No Secret from before, and none left."""
    remove = ("delete", "secret", SECRET, "--ignore-not-found")
    cluster.admin.within(NAMESPACE).run(*remove).ok()
    yield
    cluster.admin.within(NAMESPACE).run(*remove).ok()


@pytest.mark.usefixtures("nothing")
def test_replicas_that_start_at_once_make_one_authority_and_publish_it(
    installed: Installed, tmp_path: Path, shop: Kubectl
) -> None:
    ports = [free_port() for _ in range(3)]
    policy = enforcing(tmp_path)
    starting = [installed.webhook(tmp_path / f"{port}", policy, port=port) for port in ports]
    with ExitStack() as stack:
        stack.enter_context(installed.configured(by_service(installed.configuration, ports[0])))
        with ThreadPoolExecutor(len(ports)) as at_once:
            replicas = list(at_once.map(stack.enter_context, starting))

        made = [event for replica in replicas for event in replica.events("certificates")]
        assert [event["step"] for event in made] == ["create"]
        assert installed.published() == installed.authority()
        assert len({replica.certificate() for replica in replicas}) == 1
        until(lambda: shop.create(pod(), "--dry-run=server").denied, SECONDS)


@pytest.mark.usefixtures("nothing")
def test_every_webhook_of_the_configuration_gets_the_authority(
    installed: Installed, cluster: ControlPlane, tmp_path: Path
) -> None:
    with installed.protected(tmp_path / "log", enforcing(tmp_path)):
        found = cluster.admin.read("validatingwebhookconfiguration", CONFIGURATION)["webhooks"]
        deployed = installed.configuration["webhooks"]

    assert [each["name"] for each in found] == [each["name"] for each in deployed]
    assert {each["clientConfig"]["caBundle"] for each in found} == {found[0]["clientConfig"]["caBundle"]}
    # A patch of the caBundle touches nothing else.
    for there, ours in zip(found, deployed, strict=True):
        assert there["rules"] == ours["rules"]
        assert there["failurePolicy"] == ours["failurePolicy"]
        assert there["clientConfig"]["service"]["name"] == SERVICE


@pytest.mark.usefixtures("nothing")
def test_a_configuration_that_is_made_later_or_replaced_gets_the_authority(
    installed: Installed, cluster: ControlPlane, tmp_path: Path, shop: Kubectl
) -> None:
    port = free_port()
    configuration = by_service(installed.configuration, port)
    with (
        installed.webhook(tmp_path / "log", enforcing(tmp_path), port=port),
        installed.configured(configuration),
    ):
        until(lambda: shop.create(pod(), "--dry-run=server").denied, SECONDS)

        cluster.admin.run("replace", "-f", "-", validation(cluster), given=configuration).ok()
        assert installed.published() == b""
        until(lambda: installed.published() == installed.authority(), SECONDS)


@pytest.mark.usefixtures("nothing")
def test_a_new_authority_takes_over_while_every_review_is_answered(
    installed: Installed, cluster: ControlPlane, tmp_path: Path, shop: Kubectl
) -> None:
    """As another replica does it, years later: with the rights of the service account, and in a hurry."""
    hurried = Lifetimes(authority=timedelta(days=740), authority_renewed=timedelta(days=735), overlap=timedelta(0))
    store = ClusterStore(connect(installed.kubeconfig))

    def answered() -> bool:
        return shop.create(pod(), "--dry-run=server").denied

    policy = enforcing(tmp_path)
    with installed.protected(tmp_path / "old", policy) as old:
        first = installed.published()
        keep(store, PLACE, utc_now(), hurried)
        assert len(authorities(installed.published())) == 2, "published before anything is signed with it"
        until(answered, SECONDS)

        keep(store, PLACE, utc_now(), hurried)
        assert installed.authority() not in first
        assert len(authorities(installed.published())) == 2, "the old one stays: somebody serves with it"
        assert old.certificate() != served(cluster)
        assert answered()

        port = free_port()
        with installed.webhook(tmp_path / "new", policy, port=port) as new:
            assert new.certificate() == served(cluster)
            apply(cluster, by_service(installed.configuration, port))
            until(lambda: answered() and new.reviews() > 0, SECONDS)
            assert len(authorities(installed.published())) == 2


def served(cluster: ControlPlane) -> str:
    """The certificate of the Secret."""
    secret = cluster.admin.within(NAMESPACE).read("secret", SECRET)
    return base64.b64decode(secret["data"]["tls.crt"]).decode()


# --- files ---


def test_files_are_replaced_while_every_review_is_answered(
    installed: Installed, cluster: ControlPlane, tmp_path: Path, shop: Kubectl
) -> None:
    authority = identities.authority("somebody else's CA")
    files, port = tmp_path / "tls", free_port()
    mount(files, pair(authority), 1)
    options = (f"--tls-cert={files / 'tls.crt'}", f"--tls-key={files / 'tls.key'}", f"--policy={enforcing(tmp_path)}")
    configuration = by_url(installed.configuration, port, authority.certificate_pem())
    with webhook(tmp_path / "log", authority.certificate_pem, *options, port=port) as running:
        first = running.certificate()
        with installed.configured(configuration):
            until(lambda: is_asked(cluster.admin), SECONDS)
            mount(files, pair(authority), 2)

            def renewed() -> bool:
                assert shop.create(pod(), "--dry-run=server").denied
                return running.certificate() != first

            until(renewed, SECONDS)
            assert shop.create(pod(), "--dry-run=server").denied


def test_an_authority_that_did_not_sign_is_no_answer(
    installed: Installed, cluster: ControlPlane, tmp_path: Path, shop: Kubectl
) -> None:
    """Under failurePolicy Ignore the API server goes on without."""
    authority, stranger = identities.authority("ours"), identities.authority("a stranger's")
    files, port = tmp_path / "tls", free_port()
    mount(files, pair(authority), 1)
    options = (f"--tls-cert={files / 'tls.crt'}", f"--tls-key={files / 'tls.key'}", f"--policy={enforcing(tmp_path)}")
    with webhook(tmp_path / "log", authority.certificate_pem, *options, port=port) as running:
        with installed.configured(by_url(installed.configuration, port, authority.certificate_pem())):
            until(lambda: is_asked(cluster.admin), SECONDS)
            apply(cluster, by_url(installed.configuration, port, stranger.certificate_pem()))
            until(lambda: not is_asked(cluster.admin), SECONDS)
            before = running.reviews()
            shop.create(pod()).ok()
        assert running.reviews() == before


def pair(authority: identities.Identity) -> Pair:
    made = identities.server(authority, HOST)
    return Pair(made.certificate_pem(), made.key_pem())


def enforcing(directory: Path) -> Path:
    file = directory / "policy.yaml"
    file.write_text("apiVersion: bgsafe.io/v1\nkind: Policy\nmode: enforce\n")
    return file
