"""Prometheus' HTTP interface: instant queries, each tried once, within a time."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from checker.units import MIB

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
"""Of one query: Prometheus itself gives up after two minutes (--query.timeout); a day of 500 servers takes seconds."""

MOST_ANSWER_BYTES: Final = 64 * MIB
"""A series is some 300 bytes."""

_LONGEST_REASON: Final = 300


class PrometheusError(Exception):
    """It did not answer what was asked; the message says what, why and what would help."""


class Prometheus:
    """One, by its URL: with a prefix, a name and a password, where it takes them."""

    def __init__(self, url: str, *, token_file: Path | None = None, ca_file: Path | None = None) -> None:
        """Raises PrometheusError where the URL or a file is not usable."""
        from urllib3 import PoolManager, Timeout
        from urllib3.util import make_headers

        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise PrometheusError(f"{_shown(url)}: is no URL of a Prometheus (expected like http://prometheus:9090)")
        parts = urlsplit(url)
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._name = _shown(url)
        self._headers: dict[str, str] = {}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers = make_headers(basic_auth=pair)
        if token_file is not None:
            self._headers = {"Authorization": f"Bearer {_token(token_file)}"}
        self._pool = PoolManager(
            timeout=Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
            retries=False,
            ssl_context=_tls(ca_file),
        )

    def query(self, expression: str) -> Sequence[Any]:
        """The series of an expression at this moment; raises PrometheusError."""
        from urllib3.exceptions import HTTPError

        try:
            # A form, as Prometheus recommends: expressions may be longer than a URL.
            response = self._pool.request(
                "POST",
                f"{self._url}/api/v1/query",
                fields={"query": expression},
                encode_multipart=False,
                headers=self._headers,
                preload_content=False,
                redirect=False,
            )
            body = response.read(MOST_ANSWER_BYTES + 1)
            response.release_conn()
        except (HTTPError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise PrometheusError(f"{self._name}: {type(reason).__name__}: {_line(reason)}") from error
        if len(body) > MOST_ANSWER_BYTES:
            raise PrometheusError(f"{self._name}: an answer of more than {MOST_ANSWER_BYTES // MIB} MiB")
        return self._series(response.status, body)

    def _series(self, status: int, body: bytes) -> Sequence[Any]:
        try:
            said = json.loads(body)
            if status == 200 and said["status"] == "success" and said["data"]["resultType"] == "vector":
                result: list[Any] = said["data"]["result"]
                return result
            why = said.get("error") or "an answer that is no vector"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            why = "no answer of a Prometheus"
        raise PrometheusError(f"{self._name}: HTTP {status}: {_line(why)}")


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """Checks certificates with the authorities of the file, or of the system."""
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is one
        raise PrometheusError(f"{ca_file}: holds no certificates that can be read: {_line(error)}") from error


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PrometheusError(f"{file}: {error}") from error
    if not token or not token.isprintable() or " " in token:
        raise PrometheusError(f"{file}: holds no token, or more than one")
    return token


def _shown(url: str) -> str:
    """The URL without a password."""
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return _line(url)
    return _line(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())


def _line(said: object) -> str:
    """One line that can be printed, of bounded length."""
    text = " ".join(str(said).split())
    return "".join(each if each.isprintable() else "?" for each in text)[:_LONGEST_REASON]
