"""A webhook server in a process of its own, on a free port of loopback, and clients for it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from webhook.certs import carry_out
from webhook.issuing import Lifetimes, Pair, make_serving

NAMES = ("localhost", "bgsafe.ops.svc")
LIFE = Lifetimes()


def new_pair() -> tuple[Pair, Pair]:
    """An authority and a serving certificate of it."""
    held = carry_out("create", None, NAMES, datetime.now(UTC), LIFE)
    return held.authority, held.serving


def another(authority: Pair) -> Pair:
    return make_serving(authority, NAMES, datetime.now(UTC), LIFE)


def client_pair(authority: Pair) -> Pair:
    """A client's certificate, as the API server would show."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(authority.x509().subject)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(authority.x509().not_valid_before_utc)
    builder = builder.not_valid_after(authority.x509().not_valid_after_utc)
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    certificate = builder.sign(signer, hashes.SHA256()).public_bytes(pem)
    return Pair(certificate, key.private_bytes(pem, pkcs8, serialization.NoEncryption()))


def mount(directory: Path, pair: Pair, generation: int, **more: bytes) -> None:
    """Write files as the kubelet does: a new folder, and `..data` that is swapped to it in one step."""
    folder = directory / f"..{generation}"
    folder.mkdir(parents=True)
    for name, content in {"tls.crt": pair.certificate, "tls.key": pair.key, **more}.items():
        (folder / name).write_bytes(content)
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(Path("..data") / name)
    new = directory / "..data_tmp"
    new.symlink_to(folder.name)
    new.rename(directory / "..data")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@dataclass
class Running:
    """A started command."""

    process: subprocess.Popen[bytes]
    port: int
    authority: Pair
    stderr: Path

    def log(self) -> str:
        return self.stderr.read_text()

    def tls(self, **versions: ssl.TLSVersion) -> ssl.SSLContext:
        made = ssl.create_default_context(cadata=self.authority.certificate.decode())
        for name, version in versions.items():
            setattr(made, name, version)
        return made

    def connect(self, tls: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return (tls or self.tls()).wrap_socket(raw, server_hostname="localhost")

    def http(self, tls: ssl.SSLContext | None = None) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.port, context=tls or self.tls(), timeout=10)

    def get(self, path: str = "/healthz") -> int:
        client = self.http()
        try:
            client.request("GET", path)
            return client.getresponse().status
        finally:
            client.close()

    def worker(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])


CUT_OFF = (ConnectionError, ssl.SSLError, EOFError)


def read_to_end(client: socket.socket) -> None:
    """Read until the server closes or resets; raise one of CUT_OFF."""
    while client.recv(100):
        pass
    raise EOFError


def read_something(client: socket.socket) -> None:
    """Read once; raise one of CUT_OFF where the server has closed or reset."""
    if not client.recv(100):
        raise EOFError


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not happen in time"
        time.sleep(0.02)


@contextmanager
def started(
    command: Sequence[str],
    port: int,
    authority: Pair,
    stderr: Path,
    *,
    until_ready: bool = True,
    python: str = sys.executable,
) -> Iterator[Running]:
    """Start it, wait until it is ready, and end it."""
    with stderr.open("wb") as output:
        process = subprocess.Popen([python, *command], stdout=subprocess.DEVNULL, stderr=output)
    running = Running(process, port, authority, stderr)
    try:
        if until_ready:
            until(lambda: '"ready"' in running.log() or process.poll() is not None)
            assert process.poll() is None, running.log()
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
