"""Certificates that replicas keep together: the steps, the race, and that what is served is always verifiable."""

from __future__ import annotations

import random
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.cluster.api import ClusterError
from checker.cluster.certificates import Secret
from checker.facts import Unread
from tests.webhook.clusters import MemoryCluster
from webhook.certs import Held, Place, carry_out, due, from_data, keep, to_data
from webhook.issuing import Lifetimes, Pair, expiry_seconds
from webhook.tls import Serving, context

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIFE = Lifetimes()
PLACE = Place(namespace="ops", secret="tls", configuration="bgsafe", names=("bgsafe.ops.svc", "bgsafe.ops"))
DAY = timedelta(days=1)
FIRST = carry_out("create", None, PLACE.names, NOW, LIFE)


def verifies(pair: Pair, bundle: bytes, now: datetime) -> bool:
    """What the API server does with the certificate and the caBundle."""
    store = Store(x509.load_pem_x509_certificates(bundle))
    verifier = PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(PLACE.names[0]))
    try:
        verifier.verify(pair.x509(), [])
    except VerificationError:
        return False
    return True


INTRODUCED = carry_out("introduce", FIRST, PLACE.names, NOW + 551 * DAY, LIFE)
PROMOTED = carry_out("promote", INTRODUCED, PLACE.names, NOW + 553 * DAY, LIFE)


@pytest.mark.parametrize(
    ("held", "published", "after", "step"),
    [
        pytest.param(None, b"", 0 * DAY, "create", id="nothing is there"),
        pytest.param(FIRST, b"", 0 * DAY, None, id="just made"),
        pytest.param(FIRST, b"", 59 * DAY, None, id="a day before renewal"),
        pytest.param(FIRST, b"", 60 * DAY, "issue", id="30 days before its end"),
        pytest.param(FIRST, b"", 549 * DAY, "issue", id="the CA has 181 days"),
        pytest.param(FIRST, b"", 550 * DAY, "introduce", id="the CA has 180 days"),
        pytest.param(INTRODUCED, INTRODUCED.bundle(), 551.9 * DAY, "issue", id="overlap not over"),
        pytest.param(INTRODUCED, INTRODUCED.bundle(), 552 * DAY, "promote", id="overlap over"),
        pytest.param(INTRODUCED, FIRST.bundle(), 552 * DAY, "issue", id="overlap over but not published"),
        pytest.param(PROMOTED, b"", 553 * DAY, None, id="promoted: a new certificate"),
        pytest.param(PROMOTED, b"", 730 * DAY, "issue", id="both due: the certificate first"),
        pytest.param(FIRST, b"", 730 * DAY, "create", id="all expired while everything was stopped"),
        pytest.param(INTRODUCED, b"", 731 * DAY, "promote", id="only the next CA is valid"),
        pytest.param(replace(FIRST, serving=PROMOTED.serving), b"", DAY, "issue", id="signed by another CA"),
    ],
)
def test_the_step_that_is_due(held: Held | None, published: bytes, after: timedelta, step: str | None) -> None:
    assert due(held, published, PLACE.names, NOW + after, LIFE) == step


def test_an_expired_ca_is_forgotten_once_the_certificate_is_fresh() -> None:
    later = NOW + 731 * DAY
    fresh = carry_out("issue", PROMOTED, PLACE.names, later, LIFE)
    assert fresh.retired == ()
    old = replace(fresh, retired=PROMOTED.retired)
    assert due(old, b"", PLACE.names, later, LIFE) == "forget"
    assert carry_out("forget", old, PLACE.names, later, LIFE).retired == ()


def test_a_renamed_service_gets_a_certificate_of_its_name() -> None:
    assert due(FIRST, b"", ("other.ops.svc",), NOW, LIFE) == "issue"


@pytest.mark.parametrize("held", [FIRST, INTRODUCED, PROMOTED], ids=["first", "introduced", "promoted"])
def test_the_secret_round_trips(held: Held) -> None:
    assert from_data(to_data(held)) == held


def test_promoting_leaves_nothing_of_the_next_ca_in_the_secret() -> None:
    cluster = MemoryCluster()
    cluster.secrets["ops", "tls"] = Secret(to_data(INTRODUCED), "7")
    keep(cluster, PLACE, NOW + 551 * DAY)
    keep(cluster, PLACE, NOW + 552 * DAY)
    held = from_data(cluster.secrets["ops", "tls"].data)
    assert isinstance(held, Held)
    assert held.next_authority is None
    assert held.authority == INTRODUCED.next_authority


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"password": b"hunter2"}, id="a Secret of somebody else"),
        pytest.param({**to_data(FIRST), "ca.key": b"-----BEGIN"}, id="a damaged key"),
        pytest.param({**to_data(FIRST), "ca.key": PROMOTED.authority.key}, id="a key of another certificate"),
        pytest.param({**to_data(FIRST), "retired-ca.crt": b"x"}, id="no certificate among the retired"),
    ],
)
def test_a_secret_that_is_not_ours_is_never_overwritten(data: dict[str, bytes]) -> None:
    cluster = MemoryCluster()
    cluster.secrets["ops", "tls"] = Secret(data, "7")
    answer = keep(cluster, PLACE, NOW)
    assert isinstance(answer, Unread)
    assert "hunter2" not in str(answer)
    assert cluster.secrets["ops", "tls"] == Secret(data, "7")


def test_an_empty_secret_is_filled() -> None:
    cluster = MemoryCluster()
    cluster.secrets["ops", "tls"] = Secret({}, "7")
    pair = keep(cluster, PLACE, NOW)
    assert isinstance(pair, Pair)
    assert verifies(pair, cluster.published(), NOW)


def test_keeping_is_idempotent() -> None:
    cluster = MemoryCluster()
    first = keep(cluster, PLACE, NOW)
    before = (dict(cluster.secrets), cluster.configuration)
    assert keep(cluster, PLACE, NOW + timedelta(minutes=1)) == first
    assert (cluster.secrets, cluster.configuration) == before


def test_a_bundle_that_somebody_emptied_comes_back_for_every_webhook() -> None:
    cluster = MemoryCluster(("pods.bgsafe.io", "workloads.bgsafe.io"))
    pair = keep(cluster, PLACE, NOW)
    assert cluster.configuration is not None
    cluster.configuration = replace(
        cluster.configuration, ca_bundles={**cluster.configuration.ca_bundles, "pods.bgsafe.io": b""}
    )
    assert keep(cluster, PLACE, NOW) == pair
    assert isinstance(pair, Pair)
    assert verifies(pair, cluster.published(), NOW)


def test_without_a_webhook_configuration_there_is_still_a_certificate() -> None:
    cluster = MemoryCluster()
    cluster.configuration = None
    assert isinstance(keep(cluster, PLACE, NOW), Pair)


def test_a_refusal_of_the_api_server_is_told() -> None:
    def refuse(call: str) -> None:
        raise ClusterError(f"{call}: HTTP 403")

    with pytest.raises(ClusterError, match="403"):
        keep(MemoryCluster(before=refuse), PLACE, NOW)


def test_of_replicas_that_start_at_once_one_ca_wins_and_all_serve_what_is_published() -> None:
    for round_ in range(3):
        barrier, jitter = threading.Barrier(8), random.Random(round_)
        cluster = MemoryCluster(before=lambda _call, jitter=jitter: threading.Event().wait(jitter.random() / 500))
        served: list[bool] = []

        def replica(barrier: threading.Barrier = barrier, cluster: MemoryCluster = cluster) -> None:
            barrier.wait()
            pair = keep(cluster, PLACE, NOW)
            served.append(isinstance(pair, Pair) and verifies(pair, cluster.published(), NOW))  # noqa: B023

        threads = [threading.Thread(target=replica) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert served == [True] * 8
        assert cluster.created == 1
        assert len(x509.load_pem_x509_certificates(cluster.published())) == 1


class _ElsewhereFirst:
    """A cluster of which, before the calls that were drawn, another replica takes a whole look."""

    def __init__(self, looks: list[bool]) -> None:
        self.looks = looks
        self.now = NOW
        self.within = False
        self.cluster = MemoryCluster(before=self._before)
        self.others: Pair | None = None

    def _before(self, _call: str) -> None:
        if self.looks and not self.within and self.looks.pop(0):
            self.within = True
            pair = keep(self.cluster, PLACE, self.now, QUICK)
            assert isinstance(pair, Pair)
            self.others = pair
            self.within = False


QUICK = Lifetimes(
    authority=40 * DAY, authority_renewed=20 * DAY, overlap=DAY, serving=10 * DAY, serving_renewed=4 * DAY
)


@settings(max_examples=25)
@given(
    looks=st.lists(st.booleans(), min_size=8, max_size=120),
    days=st.lists(st.floats(0.05, 1.5), min_size=1, max_size=60),
)
def test_whoever_interleaves_every_replica_serves_what_the_bundle_verifies(
    looks: list[bool], days: list[float]
) -> None:
    """Two replicas over months: what either serves is verified by what is published after every look."""
    world = _ElsewhereFirst(looks)
    for pause in days:
        pair = keep(world.cluster, PLACE, world.now, QUICK)
        assert isinstance(pair, Pair)
        assert verifies(pair, world.cluster.published(), world.now)
        if world.others is not None and world.others.x509().not_valid_after_utc > world.now:
            assert verifies(world.others, world.cluster.published(), world.now)
        world.now += timedelta(days=pause)


def test_lifetimes_in_an_impossible_order_are_refused() -> None:
    with pytest.raises(ValueError, match="out of order"):
        Lifetimes(serving=timedelta(days=1))


def test_python_and_openssl_take_what_is_made() -> None:
    assert isinstance(context(Serving(FIRST.serving.certificate, FIRST.serving.key)), ssl.SSLContext)
    assert expiry_seconds(FIRST.serving.certificate) == (NOW + LIFE.serving).timestamp()
    curve = FIRST.authority.x509().public_key()
    assert curve.curve.name == "secp256r1"  # type: ignore[union-attr]


def test_no_key_is_ever_printed() -> None:
    assert "PRIVATE" not in repr((FIRST, Secret(to_data(FIRST), "1"), Serving(b"c", FIRST.serving.key)))
