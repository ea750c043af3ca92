"""An API server on loopback that serves lists as the real one does: in pages, by namespace and label, with errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

Object = dict[str, Any]

PLURALS = {
    "StatefulSet": "apps/v1/statefulsets",
    "Deployment": "apps/v1/deployments",
    "DaemonSet": "apps/v1/daemonsets",
    "CronJob": "batch/v1/cronjobs",
    "Pod": "v1/pods",
    "ConfigMap": "v1/configmaps",
    "LimitRange": "v1/limitranges",
    "Node": "v1/nodes",
    "RedisFailover": "databases.spotahome.com/v1/redisfailovers",
    "Redis": "redis.redis.opstreelabs.in/v1beta2/redis",
}
"""Kind → where its lists are."""


@dataclass
class Answer:
    """What is answered in place of a list's page."""

    status: int
    reason: str = "Refused"
    headers: dict[str, str] = field(default_factory=dict)
    token: str | None = None  # of 410: goes on


Fault = Callable[[str, dict[str, str]], "Answer | float | None"]
"""Path and query → an error, seconds to wait before a right answer, or None."""


@dataclass
class Served:
    """Lists by plural path; what was asked, in its order; how many asked at the same time."""

    lists: dict[str, list[Object]] = field(default_factory=dict)
    fault: Fault = lambda _path, _query: None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    made: dict[str, tuple[int, Callable[[int], Object]]] = field(default_factory=dict)
    """Plural → (how many, number → item), for lists too long to be held."""
    at_once: int = 0
    most_at_once: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def add(self, *objects: Object) -> Served:
        """Objects, each in the list of its kind."""
        for value in objects:
            held = {key: item for key, item in value.items() if key not in ("apiVersion", "kind")}
            self.lists.setdefault(PLURALS[value["kind"]], []).append(held)
        return self

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def answer(self, path: str, query: dict[str, str]) -> Object | None:
        """The object or the page at a path; None is 404."""
        if path == "/version":
            return {"gitVersion": "v1.36.0"}
        if path == "/apis":
            groups = sorted({plural.rpartition("/")[0] for plural in PLURALS.values() if plural.count("/") > 1})
            return {"groups": [_group(*each.split("/")) for each in groups]}
        parts = path.removeprefix("/apis/").removeprefix("/api/").split("/")
        if "namespaces" in parts:
            at = parts.index("namespaces")
            namespace, rest = parts[at + 1], parts[at + 2 :]
            plural = "/".join([*parts[:at], rest[0]])
            if len(rest) > 1:
                return next((each for each in self._all(plural) if _is(each, namespace, rest[1])), None)
            return self._page(plural, namespace, query)
        plural = "/".join(parts)
        if len(parts) == 2 and parts[0] != "v1":
            found = [(kind, each) for kind, each in PLURALS.items() if each.startswith(f"{plural}/")]
            return {"resources": [_resource(kind, each) for kind, each in found]}
        return self._page(plural, None, query)

    def _all(self, plural: str) -> Iterable[Object]:
        return self.lists.get(plural, ())

    def _page(self, plural: str, namespace: str | None, query: dict[str, str]) -> Object | None:
        if plural not in PLURALS.values():
            return None
        start = int(query.get("continue", 0))
        if plural in self.made and namespace is None:
            count, make = self.made[plural]
            end = min(start + int(query["limit"]), count)
            more = {"continue": str(end)} if end < count else {}
            return {"metadata": more, "items": [make(number) for number in range(start, end)]}
        wanted = dict(each.split("=") for each in query.get("labelSelector", "").split(",") if each)
        found = [
            each
            for each in self._all(plural)
            if namespace in (None, each["metadata"].get("namespace"))
            and wanted.items() <= (each["metadata"].get("labels") or {}).items()
        ]
        end = start + int(query.get("limit", len(found) or 1))
        more = {"continue": str(end)} if end < len(found) else {}
        return {"metadata": {"resourceVersion": "1", **more}, "items": found[start:end]}


def _is(value: Object, namespace: str, name: str) -> bool:
    return (value["metadata"].get("namespace"), value["metadata"]["name"]) == (namespace, name)


def _group(name: str, version: str) -> Object:
    return {"name": name, "preferredVersion": {"groupVersion": f"{name}/{version}", "version": version}}


def _resource(kind: str, plural: str) -> Object:
    return {"kind": kind, "name": plural.rpartition("/")[2], "namespaced": True, "verbs": ["get", "list"]}


@contextmanager
def serving(served: Served) -> Iterator[str]:
    """The URL of a server on loopback, while it lasts."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: Any) -> None:
            pass

        def do_GET(self) -> None:
            path, _, text = self.path.partition("?")
            path, query = path.rstrip("/"), dict(parse_qsl(text))
            with lock:
                served.asked.append((path, query))
                served.at_once += 1
                served.most_at_once = max(served.most_at_once, served.at_once)
            try:
                fault = served.fault(path, query)
                if isinstance(fault, Answer):
                    more = {"metadata": {"continue": fault.token}} if fault.token else {}
                    body = {"kind": "Status", "status": "Failure", "code": fault.status, **more}
                    return self._send(fault.status, body, fault.reason, fault.headers)
                if fault is not None:
                    served.ended.wait(fault)
                found = served.answer(path, query)
                self._send(404, {"kind": "Status", "code": 404}) if found is None else self._send(200, found)
            finally:
                with lock:
                    served.at_once -= 1

        def _send(self, code: int, body: Any, reason: str | None = None, headers: dict[str, str] | None = None) -> None:
            text = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(code, reason)
            for name, value in {"Content-Length": str(len(text)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that went away

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        served.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
