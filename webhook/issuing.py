"""Making certificates, ECDSA P-256: a CA, and what it signs for the webhook's Service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long things are valid, and when their time is up. Judgements, but for the order that the last lines say."""

    authority: timedelta = timedelta(days=730)
    authority_renewed: timedelta = timedelta(days=180)  # so long before its end the next CA is published
    overlap: timedelta = timedelta(days=1)  # then so long, until something is signed with it
    serving: timedelta = timedelta(days=90)
    serving_renewed: timedelta = timedelta(days=30)
    backdated: timedelta = timedelta(minutes=5)  # the API server's clock may be behind

    def __post_init__(self) -> None:
        """Refuse an order in which a certificate would be due again as soon as it is made."""
        if not self.serving_renewed < self.serving < self.authority_renewed - self.overlap < self.authority:
            raise ValueError(f"lifetimes out of order: {self}")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Never the key."""
        return f"Pair(certificate of {len(self.certificate)} bytes)"

    def x509(self) -> x509.Certificate:
        """The certificate, to look into."""
        from cryptography import x509

        return x509.load_pem_x509_certificate(self.certificate)


def make_authority(now: datetime, lifetimes: Lifetimes) -> Pair:
    """A CA; its key signs nothing but serving certificates, and leaves the Secret when its successor takes over."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    # The date tells CAs of one name apart: an issuer's name is what a verifier looks a CA up by.
    name = _name(f"bgsafe webhook CA {now:%Y-%m-%dT%H:%M:%SZ}")
    usage = _key_usage(signs_certificates=True)
    builder = _builder(name, name, key.public_key(), now - lifetimes.backdated, now + lifetimes.authority)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return _signed(builder, key, key)


def make_serving(authority: Pair, names: Sequence[str], now: datetime, lifetimes: Lifetimes) -> Pair:
    """A certificate for the Service's names; it never outlives its CA."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer, signer = authority.x509(), load_pem_private_key(authority.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)  # noqa: S101 - from_data or make_authority made it
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + lifetimes.serving, issuer.not_valid_after_utc)
    since = max(now - lifetimes.backdated, issuer.not_valid_before_utc)
    builder = _builder(_name(names[0]), issuer.subject, key.public_key(), since, until)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return _signed(builder.add_extension(of_issuer, critical=False), key, signer)


def _name(common: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    # A common name ends at 64 characters (RFC 5280, ub-common-name); verifiers look at the SAN.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    from cryptography import x509

    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> Pair:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    certificate = builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
    return Pair(certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def expiry_seconds(certificate: bytes) -> float:
    """Unix time at which the first certificate of a PEM chain expires; raise ValueError."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()
