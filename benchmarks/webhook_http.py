"""Requests per second of `bgsafe webhook` over TLS, kept alive, beside an empty Flask view on the same server.

`python -m benchmarks.webhook_http [SECONDS]`; needs wrk (Debian's package). Loopback only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, request

from checker.policy import Policy
from webhook.app import create_app
from webhook.certs import carry_out
from webhook.issuing import Lifetimes
from webhook.parent import mind
from webhook.server import Server, Timing, listen, work
from webhook.tls import Serving
from webhook.wsgi import Application

CONNECTIONS = 8
REVIEW_BYTES = 5_000


def review() -> bytes:
    """A Redis Pod of 5 KB, as the API server sends it."""
    redis = {
        "name": "redis",
        "image": "redis:7.4",
        "args": ["--maxmemory", "1gb", "--appendonly", "yes"],
        "resources": {"limits": {"memory": "2Gi", "cpu": "2"}, "requests": {"memory": "2Gi"}},
    }
    metadata: dict[str, Any] = {"name": "cache-0", "namespace": "shop", "labels": {"app": "cache"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [redis]}}
    asked = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "cache-0",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:statefulset-controller"},
        "object": pod,
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
    metadata["annotations"] = {"example.com/filler": "x" * (REVIEW_BYTES - len(json.dumps(body)))}
    return json.dumps(body).encode()


def empty_view() -> Flask:
    """What Flask costs on this server."""
    app = Flask("empty")

    @app.post("/validate")
    def validate() -> dict[str, bool]:
        request.get_data()
        return {"allowed": True}

    return app


def measure(application: Application, seconds: int, folder: Path) -> dict[str, float]:
    """Serve it from processes of its own, load it with wrk, end it."""
    held = carry_out("create", None, ("localhost",), datetime.now(UTC), Lifetimes())
    serving = Serving(held.serving.certificate, held.serving.key)
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = Server(application, listening, lambda: serving, timing=Timing(drain=0))
    pid = os.fork()
    if pid == 0:
        os._exit(mind(lambda alive: work(server, alive), cannot_start=2, stop_seconds=5))
    try:
        time.sleep(1.0)
        script = folder / "post.lua"
        (folder / "body.json").write_bytes(review())
        script.write_text(
            f'local f = io.open("{folder}/body.json"); wrk.body = f:read("*a"); f:close()\n'
            'wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"\n'
        )
        wrk = [shutil.which("wrk") or "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency", "-s", str(script)]
        printed = subprocess.run(
            [*wrk, f"https://127.0.0.1:{port}/validate?timeout=3s"], capture_output=True, text=True, check=True
        ).stdout
        return {**figures(printed), "resident_mb": resident_mb(pid)}
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def figures(printed: str) -> dict[str, float]:
    """Rate and p99 from what wrk prints; raise ValueError where a request failed."""
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise ValueError(f"requests failed:\n{printed}")
    number, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)\b", printed)[0]
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    return {
        "per_second": float(re.findall(r"Requests/sec:\s+([\d.]+)", printed)[0]),
        "p99_ms": float(number) * scale[unit],
    }


def resident_mb(parent: int) -> float:
    """Parent and worker together; shared pages counted once each (Pss)."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return sum(_pss_kb(pid) for pid in [str(parent), *children]) / 1000


def _pss_kb(pid: str) -> int:
    lines: Iterable[str] = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main(seconds: int) -> None:
    """Print both, and the ratio that the bar is on."""
    policy = Policy()
    with tempfile.TemporaryDirectory() as folder:
        reviews = measure(create_app(lambda: policy), seconds, Path(folder))
        empty = measure(empty_view(), seconds, Path(folder))
    for name, found in (("full review", reviews), ("empty Flask view", empty)):
        print(f"{name:18}" + "  ".join(f"{key} {value:,.1f}" for key, value in found.items()))
    print(f"ratio {reviews['per_second'] / empty['per_second']:.0%} (bar: 60 %); bar: 1,500/s, p99 15 ms, 120 MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
