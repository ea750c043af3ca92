"""The certificates and keys of a control plane: an authority, a server on loopback, an administrator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED, LIFETIME = timedelta(minutes=5), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return key_pem(self.key)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """As `EC PRIVATE KEY`: the API server reads no other of a key that signs tokens."""
    sec1 = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, sec1, serialization.NoEncryption())


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def authority(name: str) -> Identity:
    """A certificate authority that signs itself."""
    return _signed([(NameOID.COMMON_NAME, name)], None)


def server(issuer: Identity, *names: str) -> Identity:
    """A server's, for 127.0.0.1 and these names."""
    loopback = x509.IPAddress(ip_address("127.0.0.1"))
    alternatives = x509.SubjectAlternativeName([loopback, *(x509.DNSName(name) for name in names)])
    return _signed([(NameOID.COMMON_NAME, "server")], issuer, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)


def client(issuer: Identity, user: str, *groups: str) -> Identity:
    """A user's, as Kubernetes reads it: the common name and the organizations."""
    subject = [(NameOID.COMMON_NAME, user), *((NameOID.ORGANIZATION_NAME, group) for group in groups)]
    return _signed(subject, issuer, ExtendedKeyUsageOID.CLIENT_AUTH)


def _signed(
    subject: list[tuple[x509.ObjectIdentifier, str]],
    issuer: Identity | None,
    usage: x509.ObjectIdentifier | None = None,
    alternatives: x509.SubjectAlternativeName | None = None,
) -> Identity:
    """Signed by the issuer; by itself, and an authority, without one."""
    key, now = new_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder(issuer.certificate.subject if issuer else name, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .add_extension(_key_usage(signs=issuer is None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if alternatives is not None:
        builder = builder.add_extension(alternatives, critical=False)
    return Identity(builder.sign(signing_key, hashes.SHA256()), key)


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
