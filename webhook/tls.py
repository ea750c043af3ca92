"""Certificates from memory or files to a TLS context; nothing is written to disk."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from checker.facts import Maybe, Unread


@dataclass(frozen=True, slots=True)
class Serving:
    """What the server shows, PEM; `client_ca` None: clients need no certificate."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None

    def __repr__(self) -> str:
        """Never the key."""
        return f"Serving(certificate of {len(self.certificate)} bytes)"


@dataclass(frozen=True, slots=True)
class Files:
    """PEM files, such as a mounted Secret: the kubelet swaps its `..data` link, so paths are followed each time."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def read(self) -> Maybe[Serving]:
        """What the files hold now."""
        contents: list[bytes | None] = []
        for path in (self.certificate, self.key, self.client_ca):
            try:
                contents.append(None if path is None else path.read_bytes())
            except OSError as error:
                return Unread(str(path), error.strerror or str(error), "mount the Secret there, readable for this user")
        certificate, key, client_ca = contents
        return Serving(certificate or b"", key or b"", client_ca)


def context(serving: Serving) -> Maybe[ssl.SSLContext]:
    """A TLS ≥ 1.2 context for HTTP/1.1; `Unread` where certificate and key are none, or do not belong together.

    Always a new one: a context whose certificate loaded and whose key did not would be broken for good.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(["http/1.1"])
    try:
        with _in_memory(serving.certificate) as certificate, _in_memory(serving.key) as key:
            # The password is never asked for at a terminal: an encrypted key is an error.
            made.load_cert_chain(certificate, key, password=lambda: b"")
        if serving.client_ca is not None:
            made.load_verify_locations(cadata=serving.client_ca.decode("ascii"))
            made.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, ValueError) as error:
        return Unread("TLS certificate", f"{error}", "give a PEM certificate chain and its unencrypted key")
    return made


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path to this content: OpenSSL reads keys from paths only, and the root filesystem is read-only."""
    descriptor = os.memfd_create("bgsafe-tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
