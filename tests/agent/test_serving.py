"""/metrics over real sockets and real TLS: who may read, what rude clients can do, and certificates that change."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import pytest

from checker.agent import serving
from checker.agent.serving import MOST_CONNECTIONS, Guard, Page, Server, credentials
from checker.agent.web_config import load
from checker.yaml_file import SettingsError
from tests.webhook.serving import another, client_pair, new_pair

Start = Callable[..., Server]
HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(serving, "POLL_SECONDS", 0.01)
    with ExitStack() as stack:

        def go(config: Path | None = None, unwell: str | None = None) -> Server:
            page = Page("text/plain; version=0.0.4; charset=utf-8")
            page.body = b"up 1\n"
            page.unwell = lambda: unwell
            server = Server(("127.0.0.1", 0), page, Guard(config))
            server.start()
            stack.callback(server.stop)
            return server

        yield go


def get(
    server: Server, path: str, *, context: ssl.SSLContext | None = None, user: str | None = None, method: str = "GET"
) -> tuple[int, bytes]:
    port = server.server_address[1]
    client = (
        http.client.HTTPConnection("localhost", port, timeout=10)
        if context is None
        else http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    )
    headers = {} if user is None else {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}
    try:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# --- plain -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/metrics", 200, b"up 1\n"),
        ("/metrics?name[]=x", 200, b"up 1\n"),
        ("/healthz", 200, b"ok\n"),
        ("/", 200, b"/metrics"),
        ("/metricsx", 404, b"not found"),
    ],
)
def test_what_is_there(start: Start, path: str, status: int, text: bytes) -> None:
    found, body = get(start(), path)
    assert found == status
    assert text in body


def test_an_agent_that_does_not_scan_is_unwell_and_still_answers(start: Start) -> None:
    server = start(unwell="no scan has ended for 90 s")
    assert get(server, "/healthz") == (503, b"no scan has ended for 90 s\n")
    assert get(server, "/metrics")[0] == 200


def test_head_has_no_body_and_other_methods_are_refused(start: Start) -> None:
    server = start()
    assert get(server, "/metrics", method="HEAD") == (200, b"")
    assert get(server, "/metrics", method="POST")[0] == 501


def test_a_connection_is_kept_and_a_body_ends_it(start: Start) -> None:
    client = http.client.HTTPConnection("127.0.0.1", start().server_address[1], timeout=10)
    for _ in range(3):
        client.request("GET", "/metrics")
        answer = client.getresponse()
        assert answer.read() == b"up 1\n"
        assert answer.headers["Connection"] is None
    client.request("GET", "/metrics", b"GET /smuggled HTTP/1.1\r\n\r\n")
    answer = client.getresponse()
    assert answer.read() == b"up 1\n"
    assert answer.headers["Connection"] == "close"
    client.close()


def test_silent_clients_take_no_more_than_their_places(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving._Handler, "timeout", 1.0)
    server = start()
    address = ("127.0.0.1", server.server_address[1])
    with ExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            stack.enter_context(socket.create_connection(address, 5)).sendall(b"GET /met")
        time.sleep(0.2)
        refused = stack.enter_context(socket.create_connection(address, 5))
        assert refused.recv(10) == b"", "no room: closed at once"
        time.sleep(1.2)
        assert get(server, "/metrics")[0] == 200, "the silent ones were sent away after their time"


# --- passwords -------------------------------------------------------------------------------------------------------


def test_who_has_the_password_may_read(start: Start, tmp_path: Path) -> None:
    server = start(written(tmp_path / "web.yml", f"basic_auth_users: {{prometheus: '{HASH}'}}"))
    assert get(server, "/metrics")[0] == 401
    assert get(server, "/")[0] == 401
    assert get(server, "/metrics", user="prometheus:wrong")[0] == 401
    assert get(server, "/metrics", user="nobody:secret")[0] == 401
    assert get(server, "/metrics", user="prometheus:secret") == (200, b"up 1\n")
    assert get(server, "/healthz")[0] == 200, "probes have no password"


def test_a_right_password_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(written(tmp_path / "web.yml", f"basic_auth_users: {{me: '{HASH}'}}"))
    computed = []
    plain = serving._matches
    monkeypatch.setattr(serving, "_matches", lambda *arguments: computed.append(1) or plain(*arguments))
    header = "Basic " + base64.b64encode(b"me:secret").decode()
    assert [guard.admits(header) for _ in range(5)] == [True] * 5
    assert len(computed) == 1


def test_a_changed_password_counts_at_once(start: Start, tmp_path: Path) -> None:
    config = written(tmp_path / "web.yml", f"basic_auth_users: {{me: '{HASH}'}}")
    server = start(config)
    assert get(server, "/metrics", user="me:secret")[0] == 200
    new = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    written(config, f"basic_auth_users: {{me: '{new}'}}\n")
    assert get(server, "/metrics", user="me:secret")[0] == 401
    assert get(server, "/metrics", user="me:other")[0] == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ("", b"")),
        ("", ("", b"")),
        ("Bearer abc", ("", b"")),
        ("Basic", ("", b"")),
        ("Basic !!!", ("", b"")),
        ("Basic " + base64.b64encode(b"\xff:x").decode(), ("", b"")),
        ("basic " + base64.b64encode(b"me:a:b").decode(), ("me", b"a:b")),
    ],
)
def test_what_a_header_says(header: str | None, expected: tuple[str, bytes]) -> None:
    assert credentials(header) == expected


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_tls_with_client_certificates_and_a_certificate_that_changes(start: Start, tmp_path: Path) -> None:
    authority, first = new_pair()
    mine = client_pair(authority)
    (tmp_path / "ca").write_bytes(authority.certificate)
    (tmp_path / "me").write_bytes(mine.certificate + mine.key)

    def serve(pair: object) -> None:
        (tmp_path / "crt").write_bytes(pair.certificate)  # type: ignore[attr-defined]
        (tmp_path / "key").write_bytes(pair.key)  # type: ignore[attr-defined]

    serve(first)
    text = "tls_server_config: {cert_file: crt, key_file: key, client_ca_file: ca, min_version: TLS13}"
    server = start(written(tmp_path / "web.yml", text))
    with_mine = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    without = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    with_mine.load_cert_chain(tmp_path / "me")
    assert get(server, "/metrics", context=with_mine) == (200, b"up 1\n")
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        get(server, "/metrics", context=without)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        get(server, "/metrics")  # plain HTTP to a TLS port

    def serial() -> int:
        with (
            socket.create_connection(("localhost", server.server_address[1]), 5) as plain,
            with_mine.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            seen = connection.getpeercert()
        assert seen is not None
        return int(str(seen["serialNumber"]), 16)

    before = serial()
    serve(another(authority))
    assert serial() != before
    written(tmp_path / "key", "not a key")
    assert get(server, "/metrics", context=with_mine)[0] == 200, "a bad file is told, and the last good one stays"


def test_a_client_that_stalls_in_its_handshake_holds_up_nobody(start: Start, tmp_path: Path) -> None:
    authority, pair = new_pair()
    for file, content in {"ca": authority.certificate, "crt": pair.certificate, "key": pair.key}.items():
        (tmp_path / file).write_bytes(content)
    server = start(written(tmp_path / "web.yml", "tls_server_config: {cert_file: crt, key_file: key}"))
    context = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    with socket.create_connection(("127.0.0.1", server.server_address[1]), 5):
        assert get(server, "/metrics", context=context)[0] == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tls_config: {}", "unknown key 'tls_config'"),
        ("http_server_config: {http2: true}", "unknown key 'http_server_config'"),
        ("tls_server_config: {cert_file: x}", "needs cert_file and key_file"),
        ("tls_server_config: {cert_file: x, key_file: 7}", "key_file: 7 is not a path"),
        ("tls_server_config: {cert_file: x, key_file: y}", "certificate"),
        ("tls_server_config: {cert_file: x, key_file: y, min_version: TLS10}", "not one of TLS12, TLS13"),
        ("tls_server_config: {cert_file: x, key_file: y, client_auth_type: RequestClientCert}", "is not one of"),
        ("tls_server_config: {cert_file: x, key_file: y, client_auth_type: VerifyClientCertIfGiven}", "go together"),
        (
            "tls_server_config: {cert_file: x, key_file: y, client_ca_file: z, client_auth_type: NoClientCert}",
            "together",
        ),
        ("basic_auth_users: [me]", "expected a mapping of name to bcrypt hash"),
        ("basic_auth_users: {me: secret}", "me: not a bcrypt hash"),
        ("- x", "expected a mapping"),
    ],
)
def test_a_mistake_in_the_web_config_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        Guard(written(tmp_path / "web.yml", text))
    assert message in str(error.value)
    assert "web.yml" in str(error.value) or "certificate" in str(error.value)


def test_an_empty_web_config_is_plain_http(tmp_path: Path) -> None:
    config = load(written(tmp_path / "web.yml", ""))
    assert (config.tls, config.users, config.files()) == (None, {}, ())
