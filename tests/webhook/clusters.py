"""Clusters for tests: one in memory, and the same one behind HTTP, in the API server's own format."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from checker.cluster.api import ConflictError
from checker.cluster.certificates import Secret, WebhookConfiguration

COLLECTIONS = frozenset(
    ("configmaps", "cronjobs", "daemonsets", "deployments", "jobs", "limitranges", "nodes", "pods", "statefulsets")
)


class MemoryCluster:
    """Enforces resourceVersion as the API server does; `before` runs before every call (to interleave, or to fail)."""

    def __init__(self, webhooks: tuple[str, ...] = ("pods.bgsafe.io",), before: Callable[[str], None] | None = None):
        self._lock = threading.Lock()
        self._version = 0
        self._before = before or (lambda _call: None)
        self.secrets: dict[tuple[str, str], Secret] = {}
        self.configuration: WebhookConfiguration | None = WebhookConfiguration(dict.fromkeys(webhooks, b""), "0")
        self.created = 0

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def read_secret(self, namespace: str, name: str) -> Secret | None:
        self._before("read_secret")
        with self._lock:
            return self.secrets.get((namespace, name))

    def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        self._before("create_secret")
        with self._lock:
            if (namespace, name) in self.secrets:
                raise ConflictError(name)
            self.created += 1
            self.secrets[namespace, name] = Secret(dict(data), self._next())

    def update_secret(self, namespace: str, name: str, data: Mapping[str, bytes], resource_version: str) -> None:
        self._before("update_secret")
        with self._lock:
            held = self.secrets.get((namespace, name))
            if held is None or held.resource_version != resource_version:
                raise ConflictError(name)
            self.secrets[namespace, name] = Secret({**held.data, **data}, self._next())

    def read_webhook_configuration(self, name: str) -> WebhookConfiguration | None:
        self._before("read_webhook_configuration")
        with self._lock:
            return self.configuration

    def set_ca_bundle(self, name: str, configuration: WebhookConfiguration, ca_bundle: bytes) -> None:
        self._before("set_ca_bundle")
        with self._lock:
            if self.configuration is None or self.configuration.resource_version != configuration.resource_version:
                raise ConflictError(name)
            self.configuration = WebhookConfiguration(dict.fromkeys(configuration.ca_bundles, ca_bundle), self._next())

    def published(self) -> bytes:
        assert self.configuration is not None
        (bundle,) = set(self.configuration.ca_bundles.values())
        return bundle


def _listed(objects: dict[str, dict[str, Any]], target: str) -> dict[str, Any] | None:
    """A page of the objects right below a path; None where nothing is or could be."""
    path, _, query = target.partition("?")
    if path.rpartition("/")[2] not in COLLECTIONS:
        return None
    options = dict(parse_qsl(query))
    label, _, wanted = options.get("labelSelector", "").partition("=")
    found = [
        held
        for where, held in sorted(objects.items())
        if where.rpartition("/")[0] == path
        and (not label or (held["metadata"].get("labels") or {}).get(label) == wanted)
    ]
    start, limit = int(options.get("continue", 0)), int(options.get("limit", len(found) or 1))
    more = {"continue": str(start + limit)} if start + limit < len(found) else {}
    return {"kind": "List", "metadata": more, "items": found[start : start + limit]}


@contextmanager
def api_server(objects: dict[str, dict[str, Any]], log: list[tuple[str, str, str]]) -> Iterator[str]:
    """A server on loopback that keeps `objects` by URL path; GET, POST and strategic merge PATCH. Gives its URL."""
    version, lock = iter(range(100, 10**9)), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            pass

        def _answer(self, code: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _refuse(self, code: int, reason: str) -> None:
            self._answer(code, {"kind": "Status", "status": "Failure", "reason": reason, "code": code})

        def _body(self) -> Any:
            log.append((self.command, self.path, self.headers.get("Content-Type", "")))
            return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")

        def do_GET(self) -> None:
            self._body()
            with lock:
                found = objects.get(self.path.partition("?")[0]) or _listed(objects, self.path)
            if found is None:
                self._refuse(404, "NotFound")
            elif "refuse" in found:
                self._refuse(found["refuse"], "Refused")
            else:
                self._answer(200, found)

        def do_POST(self) -> None:
            body = self._body()
            path = f"{self.path}/{body['metadata']['name']}"
            with lock:
                if path in objects:
                    return self._refuse(409, "AlreadyExists")
                body["metadata"]["resourceVersion"] = str(next(version))
                objects[path] = body
            return self._answer(201, body)

        def do_DELETE(self) -> None:
            self._body()
            with lock:
                found = objects.get(self.path)
                if found is None:
                    return self._refuse(404, "NotFound")
                if "refuse" in found:
                    return self._refuse(found["refuse"], "Refused")
                del objects[self.path]
            return self._answer(200, {"kind": "Status", "status": "Success"})

        def do_PATCH(self) -> None:
            body = self._body()
            with lock:
                held = objects.get(self.path)
                if held is None:
                    return self._refuse(404, "NotFound")
                if body["metadata"].get("resourceVersion") not in (None, held["metadata"]["resourceVersion"]):
                    return self._refuse(409, "Conflict")
                held.setdefault("data", {}).update(body.get("data", {}))
                for change in body.get("webhooks", ()):
                    (webhook,) = (one for one in held["webhooks"] if one["name"] == change["name"])
                    webhook["clientConfig"].update(change["clientConfig"])
                held["metadata"]["resourceVersion"] = str(next(version))
            return self._answer(200, held)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(folder: Path, url: str) -> Path:
    """A kubeconfig for the API server at `url`, without credentials."""
    path = folder / "kubeconfig"
    cluster = {"name": "here", "cluster": {"server": url}}
    context = {"name": "here", "context": {"cluster": "here", "user": "nobody"}}
    user = {"name": "nobody", "user": {}}
    content = {"apiVersion": "v1", "kind": "Config", "current-context": "here"}
    path.write_text(json.dumps({**content, "clusters": [cluster], "contexts": [context], "users": [user]}))
    return path


def base64_text(content: bytes) -> str:
    return base64.b64encode(content).decode()
