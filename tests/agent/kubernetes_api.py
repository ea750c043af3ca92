"""A small API server that lists pods in pages, streams watches from a script, and keeps ConfigMaps; on loopback."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from checker.cluster.light import Api


@dataclass
class Script:
    """What it has, and what it was asked."""

    pods: list[dict[str, Any]] = field(default_factory=list)
    version: str = "100"
    watches: list[list[Any]] = field(default_factory=list)  # one for each watch: events, or bytes to send as they are
    config_maps: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuse: int | None = None
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)  # method, path, query, token
    content_types: list[str] = field(default_factory=list)


def a_pod(name: str, uid: str, *, version: str = "100", **changed: Any) -> dict[str, Any]:
    """A running pod with one container, as the API server writes it."""
    pod: dict[str, Any] = {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": version,
            "labels": {"app": name},
        },
        "status": {
            "podIP": "10.0.0.7",
            "containerStatuses": [{"name": "redis", "containerID": f"containerd://{'c' * 63}{uid[-1]}"}],
        },
    }
    return {**pod, **changed}


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            pass

        def _answer(self, code: int, body: Any) -> None:
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _status(self, code: int, message: str) -> None:
            self._answer(code, {"kind": "Status", "code": code, "message": message})

        def _asked(self) -> tuple[str, dict[str, str], Any]:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            script.asked.append((self.command, parts.path, query, self.headers.get("Authorization", "")))
            script.content_types.append(self.headers.get("Content-Type", ""))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return parts.path, query, json.loads(body) if body else None

        def do_GET(self) -> None:
            path, query, _ = self._asked()
            if script.refuse is not None:
                self._status(script.refuse, "the script says no")
            elif "watch" in query:
                self._watch()
            elif path == "/api/v1/pods":
                start, limit = int(query.get("continue", "0")), int(query["limit"])
                more = {"continue": str(start + limit)} if start + limit < len(script.pods) else {}
                meta = {"resourceVersion": script.version, **more}
                self._answer(200, {"kind": "PodList", "metadata": meta, "items": script.pods[start : start + limit]})
            else:
                self._status(404, "not found")

        def _watch(self) -> None:
            events = script.watches.pop(0) if script.watches else []
            self.send_response(200)
            self.end_headers()
            for event in events:
                self.wfile.write(event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n")

        def do_POST(self) -> None:
            path, _, body = self._asked()
            name = f"{path}/{body['metadata']['name']}"
            if script.refuse is not None:
                self._status(script.refuse, "the script says no")
            elif name in script.config_maps:
                self._status(409, "already exists")
            else:
                script.config_maps[name] = body
                self._answer(201, body)

        def do_PATCH(self) -> None:
            path, _, body = self._asked()
            if script.refuse is not None:
                self._status(script.refuse, "the script says no")
            elif path not in script.config_maps:
                self._status(404, "not found")
            else:
                held = script.config_maps[path]
                held["metadata"] |= body["metadata"]
                held["data"] |= body["data"]
                self._answer(200, held)

    return Handler


@contextmanager
def api_server(
    script: Script, directory: Path, *, certificate: Path | None = None, key: Path | None = None, ca: Path | None = None
) -> Iterator[Api]:
    """Run it, with TLS where there is a certificate; the token is in `directory`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    (directory / "token").write_text("secret-1\n")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Api("localhost", server.server_address[1], directory / "token", ca)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
