"""The real server over TLS: kept-alive, slow, oversized, malformed and concurrent clients, rotation, crash, the end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webhook.serving import (
    CUT_OFF,
    Running,
    another,
    client_pair,
    free_port,
    mount,
    new_pair,
    read_something,
    read_to_end,
    started,
    until,
)

pytestmark = pytest.mark.live

APP = str(Path(__file__).with_name("small_app.py"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("tls")
    authority, pair = new_pair()
    mount(directory, pair, 1)
    port = free_port()
    with started([APP, str(port), str(directory)], port, authority, directory / "log") as running:
        yield running


def answer_to(server: Running, sent: bytes) -> bytes:
    """All that comes back until the server closes."""
    with server.connect() as client:
        client.sendall(sent)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
        return received


def test_a_connection_is_kept_alive(server: Running) -> None:
    client = server.http()
    client.connect()
    sock = client.sock
    for length in (0, 10, 99_000):
        client.request("POST", "/x", b"y" * length)
        response = client.getresponse()
        assert response.read() == f"POST /x {length}".encode()
        assert response.headers["Date"]
        assert client.sock is sock
    client.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"200", id="closed when asked"),
        pytest.param(b"GET /x HTTP/1.0\r\n\r\n", b"200", id="HTTP/1.0"),
        pytest.param(b"nonsense\r\n\r\n", b"400", id="not HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"400", id="length is no number"),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"400",
            id="two lengths: smuggling",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"200", id="upgrade is not taken"
        ),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n", b"413", id="too large, announced"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"C350\r\n" + b"x" * 50_000 + b"\r\n"
            b"C351\r\n" + b"x" * 50_001 + b"\r\n0\r\n\r\n",
            b"413",
            id="too large, chunk by chunk",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"x" * 70_000, b"4", id="endless headers"),
        pytest.param(b"GET /bug HTTP/1.1\r\nConnection: close\r\n\r\n", b"500", id="a bug"),
        pytest.param(b"GET /slow?4 HTTP/1.1\r\nConnection: close\r\n\r\n", b"503", id="no answer in time"),
    ],
)
def test_every_request_gets_a_status(server: Running, sent: bytes, status: bytes) -> None:
    assert answer_to(server, sent).split(b" ")[1].startswith(status)


def test_a_request_just_inside_the_limit_is_taken(server: Running) -> None:
    sent = b"POST /x HTTP/1.1\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    assert answer_to(server, sent).endswith(b"POST /x 100000")


def test_a_head_has_a_length_and_no_body(server: Running) -> None:
    received = answer_to(server, b"HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 9\r\n" in received
    assert received.endswith(b"\r\n\r\n")


def test_a_body_that_waits_for_leave_gets_it(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        assert client.recv(1000).endswith(b"POST /x 2")


def test_pipelined_requests_are_answered_in_order(server: Running) -> None:
    sent = b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(8))
    received = answer_to(server, sent + b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert [line.split(b" ")[-2] for line in received.split(b"HTTP/1.1 ")[1:]] == [
        *(b"/%d" % number for number in range(8)),
        b"/last",
    ]


def test_the_log_of_a_bug_says_where_and_not_what(server: Running) -> None:
    answer_to(server, b"GET /bug HTTP/1.1\r\nConnection: close\r\n\r\n")
    until(lambda: "small_app.py:" in server.log())
    assert "RuntimeError" in server.log()
    assert "hunter2" not in server.log()


@pytest.mark.parametrize(
    "sent",
    [None, b"", b"POST / HT", b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"],
    ids=["TCP", "TLS", "head", "body"],
)
def test_slow_clients_hold_nobody_up_and_are_cut_off(server: Running, sent: bytes | None) -> None:
    """More of them than there are threads."""
    slow: list[socket.socket] = []
    for _ in range(40):
        if sent is None:
            slow.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        else:
            slow.append(client := server.connect())
            client.sendall(sent)
    began = time.monotonic()
    assert server.get() == 200
    assert time.monotonic() - began < 0.9
    for client in slow:
        with client, pytest.raises(CUT_OFF):
            read_to_end(client)
    assert time.monotonic() - began < 5


def test_more_connections_than_the_limit_are_turned_away(server: Running) -> None:
    held: list[socket.socket] = []

    def one_more() -> None:
        held.append(client := server.connect())
        client.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        read_something(client)

    for _ in range(50):
        one_more()
    with pytest.raises(CUT_OFF):
        deque(iter(one_more, 1))
    for client in held:
        client.close()
    assert 50 <= len(held) <= 61
    until(lambda: _answers(server))


def _answers(server: Running) -> bool:
    try:
        return server.get() == 200
    except (OSError, http.client.HTTPException):
        return False


def test_tls_below_1_2_is_refused(server: Running) -> None:
    old = server.tls()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.connect(old)
    with server.connect(server.tls(maximum_version=ssl.TLSVersion.TLSv1_2)) as client:
        assert client.version() == "TLSv1.2"


def test_certificates_are_rotated_under_load_without_a_lost_request(tmp_path: Path) -> None:
    authority, pair = new_pair()
    mount(tmp_path, pair, 1)
    port = free_port()
    failures: list[BaseException] = []
    count = [0] * 4
    stop = threading.Event()
    with started([APP, str(port), str(tmp_path)], port, authority, tmp_path / "log") as server:

        def load(index: int) -> None:
            client = server.http()
            try:
                while not stop.is_set():
                    client.request("POST", "/x", b"{}")
                    assert client.getresponse().read() == b"POST /x 2"
                    count[index] += 1
                    if index % 2:  # half of the clients connect anew for every request
                        client.close()
            except BaseException as error:  # noqa: BLE001 - told below
                failures.append(error)
            finally:
                client.close()

        threads = [threading.Thread(target=load, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        serials = set()
        for generation in range(2, 6):
            new = another(authority)
            mount(tmp_path, new, generation)
            until(lambda generation=generation: server.log().count("certificate_loaded") == generation - 1)  # type: ignore[misc]
            with server.connect() as client:
                assert client.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(new.certificate.decode())
                serials.add(client.getpeercert()["serialNumber"])  # type: ignore[index]
        mount(tmp_path, type(new)(new.certificate, pair.key), 6)
        until(lambda: "certificate_rejected" in server.log())
        assert server.get() == 200
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert min(count) > 10
    assert len(serials) == 4


def test_only_clients_of_the_client_ca_are_served(tmp_path: Path) -> None:
    authority, pair = new_pair()
    stranger, _ = new_pair()
    mount(tmp_path, pair, 1, **{"ca.crt": authority.certificate})
    port = free_port()
    with started([APP, str(port), str(tmp_path), "ca.crt"], port, authority, tmp_path / "log") as server:
        mount(tmp_path / "known", client_pair(authority), 1)
        mount(tmp_path / "stranger", client_pair(stranger), 1)

        def ask(who: str | None) -> bytes:
            tls = server.tls()
            if who is not None:
                tls.load_cert_chain(tmp_path / who / "tls.crt", tmp_path / who / "tls.key")
            with server.connect(tls) as client:
                client.sendall(b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
                if not (received := client.recv(12)):
                    raise EOFError
                return received

        assert ask("known") == b"HTTP/1.1 200"
        for refused in (None, "stranger"):
            with pytest.raises(CUT_OFF):
                ask(refused)


def test_a_crashed_worker_is_replaced_while_connections_wait(tmp_path: Path) -> None:
    authority, pair = new_pair()
    mount(tmp_path, pair, 1)
    port = free_port()
    with started([APP, str(port), str(tmp_path)], port, authority, tmp_path / "log") as server:
        first = server.worker()
        with pytest.raises((http.client.HTTPException, ConnectionError, ssl.SSLError)):
            server.get("/crash")
        assert server.get() == 200
        assert server.worker() != first
        assert '"exit": 9' in server.log()
        os.kill(server.worker(), signal.SIGKILL)
        time.sleep(0.1)
        assert server.get() == 200


def test_the_end_answers_what_was_taken_and_tells_clients_to_go(tmp_path: Path) -> None:
    authority, pair = new_pair()
    mount(tmp_path, pair, 1)
    port = free_port()
    with started([APP, str(port), str(tmp_path)], port, authority, tmp_path / "log") as server:
        idle, busy = server.http(), server.http()
        for client in (idle, busy):
            client.request("GET", "/x")
            client.getresponse().read()
        busy.request("GET", "/slow?0.8")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "draining" in server.log())
        assert server.get() == 200  # the Service may not know yet
        idle.request("GET", "/x")
        assert idle.getresponse().headers["Connection"] == "close"
        assert busy.getresponse().read() == b"GET /slow 0"
        assert server.process.wait(5) == 0
        assert '"unanswered": 0' in server.log()
        idle.close()
        busy.close()


def test_the_worker_ends_with_its_parent(tmp_path: Path) -> None:
    authority, pair = new_pair()
    mount(tmp_path, pair, 1)
    port = free_port()
    with started([APP, str(port), str(tmp_path)], port, authority, tmp_path / "log") as server:
        worker = Path(f"/proc/{server.worker()}/cmdline")
        server.process.kill()
        until(lambda: not worker.exists() or worker.read_bytes() == b"")


def test_a_certificate_that_cannot_be_used_is_no_reason_to_try_again(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_bytes(b"x")
    done = subprocess.run([sys.executable, APP, str(free_port()), str(tmp_path)], capture_output=True, timeout=20)
    assert done.returncode == 2
    assert b"tls.key" in done.stderr
    assert done.stderr.count(b"cannot_start") == 1
