"""The Kubernetes API for the agent, without the client library: that takes 20 MB in every agent on every node
(docs/decisions/0011-agent-speaks-to-the-api-itself.md).

In a pod only: address from the environment, CA and token from the service account. Every call has a timeout and is
tried once; answers are JSON, and bounded.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from checker.cluster.api import ClusterError, ConflictError, ForbiddenError

TIMEOUT_SECONDS: Final = 5.0
"""To connect, and to wait for an answer: a judgement, as in `checker.cluster.api`."""

MAX_ANSWER_BYTES: Final = 16 * 1024**2
"""A judgement: a page of 50 pods is below 1 MB; an object in etcd has at most 1.5 MB."""

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

MERGE_PATCH: Final = "application/merge-patch+json"


class GoneError(ClusterError):
    """The resourceVersion is too old: list again."""


@dataclass(frozen=True, slots=True)
class Api:
    """How to reach the API server. The token is read for every call: the kubelet replaces it every hour."""

    host: str
    port: int
    token_file: Path
    ca_file: Path | None  # None: plain HTTP, for a proxy on loopback

    def get(self, what: str, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The object; None where there is none of that name."""
        return self._call(what, "GET", path, query=query)

    def post(self, what: str, path: str, body: Mapping[str, Any]) -> None:
        """Create; ConflictError where there is one of that name."""
        if self._call(what, "POST", path, body=body) is None:
            raise ClusterError(f"{what}: HTTP 404: there is no such namespace")

    def patch(self, what: str, path: str, body: Mapping[str, Any]) -> bool:
        """Merge; False where there is none of that name."""
        return self._call(what, "PATCH", path, body=body, content_type=MERGE_PATCH) is not None

    def watch(self, what: str, path: str, query: Mapping[str, str], idle_seconds: float) -> Iterator[dict[str, Any]]:
        """Events until the API server ends the watch; ClusterError where none comes for so long."""
        with self._answer(what, "GET", path, query=query, timeout=idle_seconds) as response:
            while line := response.readline(MAX_ANSWER_BYTES + 1):
                if len(line) > MAX_ANSWER_BYTES:
                    raise ClusterError(f"{what}: an event of more than {MAX_ANSWER_BYTES} bytes")
                event = _parsed(what, line)
                if event.get("type") == "ERROR":
                    status = event.get("object") or {}
                    error = GoneError if status.get("code") == 410 else ClusterError
                    raise error(f"{what}: {status.get('message', 'the watch failed')}")
                yield event

    def _call(self, what: str, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        try:
            with self._answer(what, method, path, **options) as response:
                raw = response.read(MAX_ANSWER_BYTES + 1)
        except _NotFoundError:
            return None
        if len(raw) > MAX_ANSWER_BYTES:
            raise ClusterError(f"{what}: an answer of more than {MAX_ANSWER_BYTES} bytes")
        return _parsed(what, raw)

    @contextmanager
    def _answer(
        self,
        what: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        timeout: float = TIMEOUT_SECONDS,
    ) -> Iterator[HTTPResponse]:
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "Content-Type": content_type}
            with closing(self._connection()) as connection:
                data = None if body is None else json.dumps(body)
                connection.request(method, target, data, headers)
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                response = connection.getresponse()
                _check(what, response)
                yield response
        except (OSError, HTTPException, ValueError) as error:
            raise ClusterError(f"{what}: {type(error).__name__}: {error}") from error

    def _connection(self) -> HTTPConnection:
        if self.ca_file is None:
            return HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return HTTPSConnection(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context)


class _NotFoundError(ClusterError):
    """HTTP 404."""


def in_cluster(environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> Api:
    """The API server of the cluster that this pod runs in; ClusterError where it runs in none."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdecimal() or not (account / "token").exists():
        raise ClusterError("not in a cluster: run it in a pod with a service account, or without --pod-names")
    return Api(host, int(port), account / "token", account / "ca.crt")


def _check(what: str, response: HTTPResponse) -> None:
    if response.status < 300:
        return
    detail = response.read(64 * 1024).decode("utf-8", "replace")
    try:
        message = str(json.loads(detail).get("message", ""))[:300]
    except (ValueError, AttributeError):
        message = ""
    said = f"{what}: HTTP {response.status} {response.reason}" + (f": {message}" if message else "")
    if response.status == 404:
        raise _NotFoundError(said)
    if response.status == 409:
        raise ConflictError(said)
    if response.status == 410:
        raise GoneError(said)
    if response.status in (401, 403):
        raise ForbiddenError(f"{said}; give the service account this permission")
    raise ClusterError(said)


def _parsed(what: str, raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ClusterError(f"{what}: the answer is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ClusterError(f"{what}: the answer is not an object")
    return found
