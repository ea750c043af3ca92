"""Twenty thousand pods over HTTP, in pages: each Redis once, and no more memory than a few pages."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.survey.fleet import owned, spec, workload
from tests.webhook.clusters import kubeconfig

PODS = 20_000
REDIS_EVERY = 50
"""One pod in so many is of a Redis."""

SETS = PODS // REDIS_EVERY // 4
MOST_MEMORY_BYTES = 250 * 1024**2

FILLER = [{"name": f"VARIABLE_{number}", "value": "x" * 60} for number in range(60)]
"""An ordinary pod is 5 to 20 KB of JSON; this makes about 6."""


def a_cache(number: int) -> str:
    name = f"cache-{number // REDIS_EVERY % SETS}"
    metadata = {"name": f"{name}-{number}", "namespace": "shop", **owned("StatefulSet", name)}
    return json.dumps({"metadata": metadata, "spec": {**spec("4Gi", "--maxmemory", "3gb"), "nodeName": "n"}})


def a_web_pod() -> str:
    """Of one of many Deployments; `@` is where the number goes."""
    metadata = {"name": "web-@-6f9c-x", "namespace": "shop", "labels": {"pod-template-hash": "6f9c"}}
    metadata |= owned("ReplicaSet", "web-@-6f9c")
    container = {"name": "web", "image": "registry.example/web:1", "env": FILLER}
    return json.dumps({"metadata": metadata, "spec": {"containers": [container]}, "status": {"phase": "Running"}})


WEB_POD = a_web_pod()


def a_pod(number: int) -> str:
    return WEB_POD.replace("@", str(number % 500)) if number % REDIS_EVERY else a_cache(number)


@contextmanager
def a_large_cluster(requests: list[str]) -> Iterator[str]:
    """An API server that makes its pages as they are asked for."""
    sets = [
        next(iter(workload("StatefulSet", "shop", f"cache-{number}", spec("4Gi", "--maxmemory", "3gb")).values()))
        for number in range(SETS)
    ]
    web = {"containers": [{"name": "web", "image": "registry.example/web:1", "env": FILLER}]}
    deployments = [next(iter(workload("Deployment", "shop", f"web-{n}", web).values())) for n in range(500)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: Any) -> None:
            pass

        def do_GET(self) -> None:
            requests.append(self.path)
            parts = urlsplit(self.path)
            options = dict(parse_qsl(parts.query))
            start, limit = int(options.get("continue", 0)), int(options.get("limit", 500))
            end = start + limit
            total = {"pods": PODS, "statefulsets": SETS, "deployments": len(deployments)}
            kind = parts.path.rpartition("/")[2]
            count = total.get(kind, 0)
            if kind == "pods":
                items = [a_pod(number) for number in range(start, min(end, count))]
            else:
                found = {"statefulsets": sets, "deployments": deployments}.get(kind, [])
                items = [json.dumps(item) for item in found[start:end]]
            metadata = json.dumps({"continue": str(end)} if end < count else {})
            text = f'{{"metadata": {metadata}, "items": [{",".join(items)}]}}'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


MEASURED = """\
import re, sys
from checker.cli import cli
try:
    cli(sys.argv[1:])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
"""The command, and then the KiB that it had at most: the kernel's ru_maxrss of a child begins with its parent's."""


def go_through(url: str, folder: Path, *arguments: str) -> int:
    """Run `bgsafe cluster`; give the bytes of memory that it took."""
    named = ["cluster", "--kubeconfig", str(kubeconfig(folder, url)), *arguments]
    ran = subprocess.run([sys.executable, "-c", MEASURED, *named], stdout=subprocess.PIPE, text=True, timeout=300)
    assert ran.returncode == 0
    return int(ran.stdout.split()[-1]) * 1024


def test_twenty_thousand_pods_are_gone_through_in_bounded_memory(tmp_path: Path) -> None:
    requests: list[str] = []
    output = tmp_path / "report.json"
    with a_large_cluster(requests) as url:
        memory = go_through(url, tmp_path, "--format", "json", "--output", str(output))
    document = json.loads(output.read_text(encoding="utf-8"))
    assert document["summary"]["risky"] == SETS == len(document["subjects"])
    assert document["problems"] == []
    assert memory < MOST_MEMORY_BYTES
    pages = [path for path in requests if urlsplit(path).path.endswith("/pods")]
    assert len(pages) == PODS // 250
