"""Reviews per second of `bgsafe webhook` over TLS, kept alive, beside an empty Flask view on the same server.

`python -m benchmarks.webhook_http` prints its section of docs/benchmarks.md. Needs wrk, Debian's package.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flask import Flask, request

from benchmarks.reviews import admission_review
from webhook.certs import carry_out
from webhook.issuing import Lifetimes
from webhook.parent import mind
from webhook.review.memory import MOST_REMEMBERED
from webhook.server import Server, Timing, listen, work
from webhook.tls import Serving

CONNECTIONS: Final = 8
SECONDS: Final = 2
ROUNDS: Final = 5
OBJECTS: Final = 8 * MOST_REMEMBERED
"""So many in turn that none is remembered when it comes again."""

SOAK: Final = 200_000

LUA: Final = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local requests, last = {{}}, 0
init = function(args)
  for body in io.lines("{bodies}") do requests[#requests + 1] = wrk.format(nil, nil, nil, body) end
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw of one round, and what the worker spent on it."""

    requests: int
    per_second: float
    p99_ms: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Running:
    """A server: parent and worker."""

    pid: int
    port: int
    ready_seconds: float

    def processes(self) -> list[int]:
        """The parent and its children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.processes()]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Of both: anonymous memory, what the two share counted once, and of the files the larger share.

        (Pss of files would depend on who else on this machine runs the same interpreter.)
        """
        maps = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.processes()]
        files = max(_kb(each, "Rss") - _kb(each, "Anonymous") for each in maps)
        return (sum(_kb(each, "Pss_Anon") for each in maps) + files) * 1024 / 1e6

    def load(self, script: Path, seconds: int = SECONDS) -> Load:
        """Load it with wrk; raise ValueError where a request failed."""
        before = self.cpu_seconds()
        wrk = [shutil.which("wrk") or "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency", "-s", str(script)]
        url = f"https://127.0.0.1:{self.port}/validate?timeout=3s"
        printed = subprocess.run([*wrk, url], capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in printed or "Socket errors" in printed:
            raise ValueError(f"requests failed:\n{printed}")
        number, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)\b", printed)[0]
        requests = int(re.findall(r"(\d+) requests in", printed)[0])
        return Load(
            requests=requests,
            per_second=float(re.findall(r"Requests/sec:\s+([\d.]+)", printed)[0]),
            p99_ms=float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit],
            cpu_us=(self.cpu_seconds() - before) / requests * 1e6,
        )


def _kb(maps: str, field: str) -> int:
    return int(re.findall(rf"(?m)^{field}:\s+(\d+) kB", maps)[0])


def empty_view() -> Flask:
    """What Flask costs on this server."""
    app = Flask("empty")

    @app.post("/validate")
    def validate() -> dict[str, bool]:
        request.get_data()
        return {"allowed": True}

    return app


@contextmanager
def command(certificate: Serving, folder: Path) -> Iterator[Running]:
    """`bgsafe webhook`, as it is run."""
    (folder / "tls.crt").write_bytes(certificate.certificate)
    (folder / "tls.key").write_bytes(certificate.key)
    free = listen("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    bgsafe = Path(sys.executable).with_name("bgsafe")
    arguments = ["--listen", f"127.0.0.1:{port}", "--tls-cert", folder / "tls.crt", "--tls-key", folder / "tls.key"]
    started = time.monotonic()
    process = subprocess.Popen([bgsafe, "webhook", *arguments, "--drain-seconds", "0"], stderr=subprocess.DEVNULL)
    try:
        yield Running(process.pid, port, _ready(port, started))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bare(application: Flask, certificate: Serving) -> Iterator[Running]:
    """The same server with another application."""
    listening = listen("127.0.0.1", 0)
    server = Server(application, listening, lambda: certificate, timing=Timing(drain=0))
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(mind(lambda alive: work(server, alive), cannot_start=2, stop_seconds=5))
    try:
        port = listening.getsockname()[1]
        yield Running(pid, port, _ready(port, started))
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _ready(port: int, started: float) -> float:
    """Seconds until it answers, whatever it has at that path."""
    context = ssl._create_unverified_context()  # noqa: S323 (our own certificate, on loopback)
    while True:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status in (200, 404):
                return time.monotonic() - started
        except OSError:
            pass
        finally:
            connection.close()
        if time.monotonic() - started > 30:
            raise TimeoutError("the server is not ready after 30 s")
        time.sleep(0.005)


def _script(folder: Path, name: str, bodies: Sequence[bytes]) -> Path:
    """A script for wrk that sends these in turn."""
    (folder / f"{name}.json").write_bytes(b"\n".join(bodies) + b"\n")
    script = folder / f"{name}.lua"
    script.write_text(LUA.format(bodies=folder / f"{name}.json"))
    return script


def section() -> str:
    """A table of Markdown, and what is told beside it; says so where wrk is not there."""
    if shutil.which("wrk") is None:
        return "\n## The webhook\n\nNot measured: wrk is not installed (`sh deploy/debian-packages wrk`).\n"
    held = carry_out("create", None, ("localhost",), datetime.now(UTC), Lifetimes())
    certificate = Serving(held.serving.certificate, held.serving.key)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        webhook = stack.enter_context(command(certificate, folder))
        empty = stack.enter_context(bare(empty_view(), certificate))
        again = _script(folder, "again", [admission_review()])
        anew = _script(folder, "anew", [admission_review(number=number) for number in range(OBJECTS)])
        plain = _script(folder, "plain", [admission_review("nginx:1.27", number=number) for number in range(OBJECTS)])
        asked = {
            "an empty Flask view on the same server": (empty, again),
            "a Redis Pod that was reviewed before": (webhook, again),
            f"Redis Pods never seen before ({OBJECTS:,} in turn)": (webhook, anew),
            f"Pods without Redis, never seen before ({OBJECTS:,})": (webhook, plain),
        }
        loads = [os.getloadavg()[0]]
        rounds = [{what: server.load(script) for what, (server, script) in asked.items()} for _ in range(ROUNDS)]
        loads.append(os.getloadavg()[0])
        before, asked_for = webhook.resident_mb(), 0
        while asked_for < SOAK:
            asked_for += webhook.load(anew, 10).requests
        after, ready = webhook.resident_mb(), webhook.ready_seconds
    best = {what: max((each[what] for each in rounds), key=lambda load: load.per_second) for what in asked}
    least = {what: min(each[what].cpu_us for each in rounds) for what in asked}
    first, *_ = asked
    rows = "".join(
        f"| {what} | {load.per_second:,.0f} | {load.per_second / best[first].per_second:.0%} | {load.p99_ms:.1f} "
        f"| {least[what]:.0f} | {least[first] / least[what]:.0%} |\n"
        for what, load in best.items()
    )
    return (
        f"\n## The webhook\n\nReviews of 5 KB over TLS 1.3, {CONNECTIONS} connections kept alive, one worker; wrk on "
        f"the same two cores. The best\nof {ROUNDS} rounds of {SECONDS} s, the lines in turn. CPU is that of the "
        "server's processes; neighbours disturb it less than a rate.\nLoad average before and after the rounds: "
        f"{loads[0]:.1f} and {loads[1]:.1f}; the rounds themselves make 2.\n\n"
        "| what is asked | requests/s | of the empty view | p99 ms | CPU µs | of the empty view's |\n"
        f"|---|---:|---:|---:|---:|---:|\n{rows}\n"
        f"Ready after {ready:.2f} s. Memory of both processes: {before:.0f} MB, and {after:.0f} MB after "
        f"{asked_for:,} more reviews of changing Pods.\n"
        f"The API server's `matchConditions` keep Pods without Redis from coming at all.\n"
    )


if __name__ == "__main__":
    print(section())
