"""Prometheus' HTTP interface: what is asked, what is no answer, and what is never shown."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path

import pytest

from checker.cluster import prometheus
from checker.cluster.prometheus import Prometheus, PrometheusError
from tests.cluster.answering import answering
from tests.e2e import identities

SERIES = [{"metric": {}, "value": [1, "2"]}]
GOOD = json.dumps({"status": "success", "data": {"resultType": "vector", "result": SERIES}})


def test_a_query_is_a_form_and_its_series_come_back() -> None:
    with answering(GOOD) as there:
        assert Prometheus(f"{there.url}/prom/").query("up + 1") == SERIES
    assert there.asked == [("/prom/api/v1/query", "query=up+%2B+1", None)]


@pytest.mark.parametrize(
    ("text", "status", "why"),
    [
        pytest.param("<html>", 200, "HTTP 200: no answer of a Prometheus", id="no JSON"),
        pytest.param("[]", 200, "no answer of a Prometheus", id="no object"),
        pytest.param('{"status": "success", "data": {"resultType": "matrix"}}', 200, "is no vector", id="no vector"),
        pytest.param('{"status": "error", "error": "parse \\u001b[2J"}', 400, "HTTP 400: parse \\?\\[2J", id="refused"),
        pytest.param("no", 401, "HTTP 401", id="no access"),
        pytest.param("no", 302, "HTTP 302", id="elsewhere"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(text: str, status: int, why: str) -> None:
    with answering(text, status, Location="http://127.0.0.1:1/") as there, pytest.raises(PrometheusError, match=why):
        Prometheus(there.url).query("up")
    assert len(there.asked) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "prometheus:9090", "", "http://", "http:///x"])
def test_only_http_is_asked(url: str) -> None:
    with pytest.raises(PrometheusError, match="is no URL of a Prometheus"):
        Prometheus(url)


def test_a_password_in_the_url_is_sent_and_not_shown() -> None:
    with answering("no", 401) as there, pytest.raises(PrometheusError) as error:
        Prometheus(there.url.replace("http://", "http://me:s%40cret@")).query("up")
    assert "cret" not in str(error.value)
    assert there.asked[0][2] == "Basic bWU6c0BjcmV0"


def test_a_token_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc.def\n")
    with answering(GOOD) as there:
        Prometheus(there.url, token_file=file).query("up")
    assert there.asked[0][2] == "Bearer abc.def"


@pytest.mark.parametrize("content", ["", " \n", "two words", "a\nb", "a\r\nX-Evil: 1"], ids=repr)
def test_a_file_that_holds_no_token_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(PrometheusError, match="holds no token, or more than one"):
        Prometheus("http://127.0.0.1:1", token_file=file)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(PrometheusError, match="no-token"):
        Prometheus("http://127.0.0.1:1", token_file=tmp_path / "no-token")
    with pytest.raises(PrometheusError, match=r"ca\.pem: holds no certificates that can be read: .*No such file"):
        Prometheus("https://127.0.0.1:1", ca_file=tmp_path / "ca.pem")


def test_an_answer_without_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_ANSWER_BYTES", 100)
    with answering(GOOD + " " * 1000) as there, pytest.raises(PrometheusError, match="an answer of more than"):
        Prometheus(there.url).query("up")


def test_one_that_is_silent_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(PrometheusError, match="ReadTimeoutError"):
        Prometheus(f"http://127.0.0.1:{silent.getsockname()[1]}").query("up")


def test_one_that_is_not_there_is_named_with_its_cause() -> None:
    with pytest.raises(PrometheusError, match=r"^http://127\.0\.0\.1:1: .*Connection refused"):
        Prometheus("http://127.0.0.1:1").query("up")


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """(who signed it, a server's side of TLS)."""
    issuer = identities.authority("metrics")
    serving = identities.server(issuer)
    ca, pair = tmp_path / "ca.pem", tmp_path / "pair.pem"
    ca.write_bytes(issuer.certificate_pem())
    pair.write_bytes(serving.certificate_pem() + serving.key_pem())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair)
    return ca, tls


def test_its_certificate_is_checked_with_the_authorities_that_were_given(
    authority: tuple[Path, ssl.SSLContext],
) -> None:
    ca, tls = authority
    with answering(GOOD, tls=tls) as there:
        assert Prometheus(there.url, ca_file=ca).query("up") == SERIES


def test_and_else_with_those_of_the_system(authority: tuple[Path, ssl.SSLContext]) -> None:
    with answering(GOOD, tls=authority[1]) as there, pytest.raises(PrometheusError, match="CERTIFICATE_VERIFY_FAILED"):
        Prometheus(there.url).query("up")
    assert there.asked == []


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(PrometheusError, match=r"ca\.pem: holds no certificates"):
        Prometheus("https://127.0.0.1:1", ca_file=tmp_path / "ca.pem")
