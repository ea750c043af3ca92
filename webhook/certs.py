"""`--self-signed`: a CA and a serving certificate of our own, kept in a Secret that all replicas share.

No leader: every replica looks every ten seconds, does the one step that is due, and writes it on the condition that
nobody wrote since it read (resourceVersion). Who loses reads again, and finds the step done. The rule that keeps every
replica's certificate valid at all times: **a CA is published in the caBundle before anything is signed with it, and
stays there until it has expired.**
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from checker.cluster.api import ConflictError
from checker.cluster.certificates import Store, WebhookConfiguration
from checker.facts import Maybe, Unread
from checker.log import log
from webhook.issuing import Lifetimes, Pair, make_authority, make_serving

Step = Literal["create", "introduce", "promote", "issue", "forget"]


@dataclass(frozen=True, slots=True)
class Held:
    """What the Secret holds."""

    authority: Pair
    serving: Pair
    next_authority: Pair | None = None  # published, and not used yet
    retired: tuple[bytes, ...] = ()  # certificates of CAs that some replica may still serve with

    def bundle(self) -> bytes:
        """The caBundle: every CA that is, was or will be used."""
        following = () if self.next_authority is None else (self.next_authority.certificate,)
        return b"".join((self.authority.certificate, *following, *self.retired))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where things are kept, and under which names the API server calls."""

    namespace: str
    secret: str
    configuration: str
    names: tuple[str, ...]  # DNS names of the Service: <service>.<namespace>.svc first


# --- the Secret's content ---

_PAIRS: Final = {"authority": "ca", "next_authority": "next-ca", "serving": "tls"}


def to_data(held: Held) -> dict[str, bytes]:
    """The Secret's data. Every key is always there, since an update merges and would leave an old one behind."""
    pairs = {stem: getattr(held, field) or Pair(b"", b"") for field, stem in _PAIRS.items()}
    data = {f"{stem}.crt": pair.certificate for stem, pair in pairs.items()}
    data |= {f"{stem}.key": pair.key for stem, pair in pairs.items()}
    return data | {"retired-ca.crt": b"".join(held.retired)}


def from_data(data: Mapping[str, bytes]) -> Maybe[Held] | None:
    """Read the Secret's data; None where it is empty, `Unread` where it is not ours or is damaged."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    if not any(data.values()):
        return None
    pairs = {field: Pair(data.get(f"{stem}.crt", b""), data.get(f"{stem}.key", b"")) for field, stem in _PAIRS.items()}
    following = pairs["next_authority"] if pairs["next_authority"].certificate else None
    retired = data.get("retired-ca.crt", b"")
    try:
        for pair in (pairs["authority"], pairs["serving"], *([following] if following else [])):
            if load_pem_private_key(pair.key, None).public_key() != pair.x509().public_key():
                raise ValueError("a key and its certificate do not belong together")
        old = x509.load_pem_x509_certificates(retired) if retired else []
    except (ValueError, TypeError) as error:
        remedy = "delete it, and a new CA is made; or name another Secret"
        return Unread("the Secret", f"it holds no CA and certificate of bgsafe: {error}", remedy)
    return Held(pairs["authority"], pairs["serving"], following, tuple(each.public_bytes(Encoding.PEM) for each in old))


# --- what is due ---


def due(held: Held | None, published: bytes, names: Sequence[str], now: datetime, lifetimes: Lifetimes) -> Step | None:
    """The one step to take now, None when all is well. `published`: what is in the caBundle of every webhook."""
    if held is None:
        return "create"
    authority, following = held.authority.x509(), held.next_authority
    if authority.not_valid_after_utc <= now:
        # Everything was stopped for months: nothing is valid that an overlap could protect.
        return "promote" if following is not None and following.x509().not_valid_after_utc > now else "create"
    if following is not None:
        since = following.x509().not_valid_before_utc + lifetimes.backdated
        if since + lifetimes.overlap <= now and following.certificate in published:
            return "promote"
    elif authority.not_valid_after_utc - now <= lifetimes.authority_renewed:
        return "introduce"
    if _serving_is_due(held, names, now, lifetimes):
        return "issue"
    return "forget" if _living(held.retired, now) != held.retired else None


def _serving_is_due(held: Held, names: Sequence[str], now: datetime, lifetimes: Lifetimes) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    serving, authority = held.serving.x509(), held.authority.x509()
    try:
        serving.verify_directly_issued_by(authority)
        named = serving.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return True
    if set(named.get_values_for_type(x509.DNSName)) != set(names):
        return True
    # One that lasts as long as its CA cannot be bettered by another: the next CA is what is waited for.
    improvable = serving.not_valid_after_utc < authority.not_valid_after_utc
    return improvable and serving.not_valid_after_utc - now <= lifetimes.serving_renewed


def carry_out(step: Step, held: Held | None, names: Sequence[str], now: datetime, lifetimes: Lifetimes) -> Held:
    """What the Secret is to hold after the step."""
    if held is None or step == "create":
        authority = make_authority(now, lifetimes)
        return Held(authority, make_serving(authority, names, now, lifetimes))
    held = replace(held, retired=_living(held.retired, now))
    if step == "introduce":
        return replace(held, next_authority=make_authority(now, lifetimes))
    if step == "promote" and held.next_authority is not None:
        authority = held.next_authority
        retired = _living((held.authority.certificate, *held.retired), now)
        return Held(authority, make_serving(authority, names, now, lifetimes), None, retired)
    if step == "issue":
        return replace(held, serving=make_serving(held.authority, names, now, lifetimes))
    return held


def _living(certificates: tuple[bytes, ...], now: datetime) -> tuple[bytes, ...]:
    from cryptography import x509

    return tuple(one for one in certificates if x509.load_pem_x509_certificate(one).not_valid_after_utc > now)


# --- the look that every replica takes ---

MOST_ATTEMPTS: Final = 20
"""One lost race is one step that somebody else took; twenty in a row are a bug or a stranger who keeps writing."""


def keep(cluster: Store, place: Place, now: datetime, lifetimes: Lifetimes | None = None) -> Maybe[Pair]:
    """Do what is due, publish the CAs, and give the certificate to serve; ClusterError where the API server refuses."""
    lifetimes = lifetimes or Lifetimes()
    lost = ""
    for _ in range(MOST_ATTEMPTS):
        try:
            held = _look(cluster, place, now, lifetimes)
        except ConflictError as conflict:
            lost = str(conflict)
            continue
        if held is not None:
            return held if isinstance(held, Unread) else held.serving
    return Unread(f"Secret {place.namespace}/{place.secret}", f"{MOST_ATTEMPTS} attempts: {lost}", "see who writes it")


def _look(cluster: Store, place: Place, now: datetime, lifetimes: Lifetimes) -> Maybe[Held] | None:
    """One look; None after a step that asks for another look."""
    # The configuration first: a patch then goes through only where nobody published since, so what it publishes is
    # never older than what is there.
    configuration = cluster.read_webhook_configuration(place.configuration)
    secret = cluster.read_secret(place.namespace, place.secret)
    held = None if secret is None else from_data(secret.data)
    if isinstance(held, Unread):
        return held
    step = due(held, _published(configuration), place.names, now, lifetimes)
    if step is not None:
        data = to_data(carry_out(step, held, place.names, now, lifetimes))
        if secret is None:
            cluster.create_secret(place.namespace, place.secret, data)
        else:
            cluster.update_secret(place.namespace, place.secret, data, secret.resource_version)
        log("certificates", step=step, secret=f"{place.namespace}/{place.secret}")
        return None
    if held is not None and configuration is None:
        log("webhook_configuration_missing", level="warning", name=place.configuration)
    elif held is not None and configuration is not None and set(configuration.ca_bundles.values()) - {held.bundle()}:
        cluster.set_ca_bundle(place.configuration, configuration, held.bundle())
        log("ca_bundle_published", name=place.configuration)
    return held


def _published(configuration: WebhookConfiguration | None) -> bytes:
    """The CAs that every webhook of the configuration has; b"" where one has another bundle than the rest."""
    bundles = set(configuration.ca_bundles.values()) if configuration else set()
    return bundles.pop() if len(bundles) == 1 else b""


def utc_now() -> datetime:
    """Now, to the second, as certificates know it."""
    return datetime.now(UTC).replace(microsecond=0)
