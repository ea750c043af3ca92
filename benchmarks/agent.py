"""What the agent costs, and how well it sees and predicts: real processes, real servers, real forks.

python -m benchmarks.agent            all of it, about five minutes
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from checker.lab.load import Workload, fill, writing
from checker.lab.server import RunningServer, running_server
from checker.lab.servers import find_servers
from checker.model.calibration import grown_to

SERVERS: Final = 20
PROCESSES: Final = 500
SCRAPES: Final = 50
COST_SECONDS: Final = 60.0
SETTLED_SCANS: Final = 6
"""After so many, strangers are looked at as seldom as they will be."""

FORKS: Final = 100
FORK_SECONDS: Final = 0.3
PREDICTED_FORKS: Final = 9
LATENCY_ROUNDS: Final = 6
LATENCY_REQUESTS: Final = 400_000

TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Watching:
    """A running agent."""

    pid: int
    port: int

    def scrape(self) -> str:
        """GET /metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def values(self, name: str, server: str = "") -> list[float]:
        """Values of a metric of the servers whose label holds this text."""
        return [
            sample.value
            for family in text_string_to_metric_families(self.scrape())
            for sample in family.samples
            if sample.name == name and server in sample.labels.get("server", "")
        ]

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mib(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


@contextmanager
def watching(*options: str) -> Iterator[Watching]:
    """Start an agent, and wait for its first scan."""
    port = free_port()
    command = [sys.executable, "-m", "checker.cli", "agent", "--listen", f"127.0.0.1:{port}", *options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    agent = Watching(process.pid, port)
    try:
        while True:
            with suppress(OSError):
                if "bgsafe_scan_timestamp_seconds" in agent.scrape():
                    break
            time.sleep(0.1)
        yield agent
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextmanager
def crowd(servers: int, processes: int) -> Iterator[None]:
    """So many empty servers, and other processes up to that number."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        binary = find_servers()[0].path
        started = []
        for number in range(servers):
            path = f"{directory}/{number}.sock"
            options = [
                "--port",
                "0",
                "--unixsocket",
                path,
                "--save",
                "3600 1",
                "--maxmemory",
                "100mb",
                "--dir",
                directory,
            ]
            started.append(subprocess.Popen([str(binary), *options], stdout=subprocess.DEVNULL))
        there = sum(entry.name.isdigit() for entry in Path("/proc").iterdir())
        started += [subprocess.Popen(["/bin/sleep", "1000"]) for _ in range(max(0, processes - there))]
        try:
            time.sleep(2)
            yield
        finally:
            for one in started:
                one.kill()
            for one in started:
                one.wait()


def cost() -> list[str]:
    """Scan, scrape, memory, CPU share."""
    with crowd(SERVERS, PROCESSES):
        with watching("--interval", "1") as agent:
            time.sleep(SETTLED_SCANS)
            scans = []
            for _ in range(10):
                time.sleep(1)
                scans += agent.values("bgsafe_scan_cpu_seconds")
            page = len(agent.scrape())
            scrapes = []
            for _ in range(SCRAPES):
                start = time.perf_counter()
                agent.scrape()
                scrapes.append((time.perf_counter() - start) * 1000)
            servers = sum(agent.values("bgsafe_scan_servers"))
            processes = agent.values("bgsafe_scan_processes")[0]
        with watching() as agent:
            time.sleep(SETTLED_SCANS * 15)
            before = agent.cpu_seconds()
            time.sleep(COST_SECONDS)
            share = (agent.cpu_seconds() - before) / COST_SECONDS * 100
            memory = agent.rss_mib()
    what = f"{servers:.0f} servers, {processes:.0f} processes"
    return [
        row(f"CPU of a scan, {what} (median of {len(scans)})", f"{median(scans) * 1000:.1f} ms", "< 30 ms"),
        row(f"a scrape of {page / 1024:.0f} KiB (median of {SCRAPES})", f"{median(scrapes):.2f} ms", "< 5 ms"),
        row(f"resident memory, {what}", f"{memory:.1f} MiB", "< 45 MB"),
        row(f"CPU at the default interval, over {COST_SECONDS:.0f} s", f"{share:.2f} % of a core", "< 0.5 %"),
    ]


def row(what: str, found: str, bar: str) -> str:
    """A line of Markdown."""
    return f"| {what} | {found} | {bar} |"


def short_fork(server: RunningServer) -> float:
    """Save, so that the child lives a little longer than FORK_SECONDS; return how long it did by our own watch."""
    pid = server.process.pid if server.process else 0
    children = Path(f"/proc/{pid}/task/{pid}/children")
    with server.connect() as connection:
        connection.command("BGSAVE")
        start = time.monotonic()
        while not children.read_text(encoding="utf-8"):
            time.sleep(0.001)
        while children.read_text(encoding="utf-8"):
            time.sleep(0.002)
    return time.monotonic() - start


def caught() -> list[str]:
    """The share of forks of 300 ms and a little more that the agent counts, while others start and end processes."""
    noise = "import os, time\nwhile True:\n  p = os.fork()\n  p or os._exit(0)\n  os.waitpid(p, 0)\n  time.sleep(0.001)"
    with running_server(find_servers()[0]) as server, watching("--interval", "5") as agent, ExitStack() as stack:
        with server.connect() as connection:
            fill(connection, Workload(keys=2000, value_bytes=100, write_rate_per_second=0), 1, lambda _step: None)
            connection.command("CONFIG", "SET", "rdb-key-save-delay", "100")
        while not agent.values("bgsafe_fork_in_progress", server.socket_path):
            time.sleep(0.2)
        maker = stack.enter_context(subprocess.Popen([sys.executable, "-c", noise]))
        stack.callback(maker.kill)
        lifetimes = [short_fork(server) for _ in range(FORKS)]
        time.sleep(2)
        counted = sum(agent.values("bgsafe_forks_total", server.socket_path))
        saved = sum(
            sample.value
            for family in text_string_to_metric_families(agent.scrape())
            for sample in family.samples
            if sample.name == "bgsafe_forks_total"
            and server.socket_path in sample.labels["server"]
            and sample.labels["result"] == "saved"
        )
    what = f"forks of {min(lifetimes):.2f} to {max(lifetimes):.2f} s that are seen, of {FORKS}"
    return [
        row(what, f"{counted / FORKS:.1%}", "≥ 99 %"),
        row("… and their result is right", f"{saved / FORKS:.1%}", ""),
    ]


@dataclass(frozen=True, slots=True)
class Steady:
    """A steady load, with or without INFO."""

    what: str
    workload: Workload
    access: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A fork, as the agent published it."""

    predicted: float
    copied: float
    seconds: float
    resident: float

    def error(self) -> float:
        """What the agent publishes as bgsafe_prediction_error_ratio."""
        return abs(self.predicted - self.copied) / self.copied

    def error_in_the_same_time(self, before: Seen) -> float:
        """The error if the fork before had taken as long as this: how much is not the save's time."""
        predicted = grown_to(self.seconds, self.resident, before.copied, counted_at=before.seconds)
        return abs(predicted - self.copied) / self.copied


def forks_of(steady: Steady) -> list[Seen]:
    """A few saves under a steady load."""
    with running_server(find_servers()[0]) as server, tempfile.TemporaryDirectory() as directory:
        access = Path(directory, "access.yaml")
        access.write_text(f"servers: [{{url: 'unix://{server.socket_path}'}}]", encoding="utf-8")
        options = ["--interval", "5", *(["--redis-access", str(access)] if steady.access else [])]
        with server.connect() as connection:
            fill(connection, steady.workload, 1, lambda _step: None)
            # Saves as long as on a machine that nobody else uses: sleeping takes no share of a core.
            connection.command("CONFIG", "SET", "rdb-key-save-delay", "-8")
        with writing(server.socket_path, steady.workload, seed=2) as writer, watching(*options) as agent:
            for pid in (writer.process.pid, server.process.pid if server.process else writer.process.pid):
                with suppress(PermissionError):
                    os.setpriority(os.PRIO_PROCESS, pid, -10)  # others' work on this machine is not part of the load
            time.sleep(15)  # jemalloc gives back what the load freed, and that would count as copies
            seen = []
            for number in range(PREDICTED_FORKS):
                with server.connect() as connection:
                    connection.command("BGSAVE")
                wait_for_forks(agent, server, number + 1)
                time.sleep(7)  # a scan makes the next prediction
                names = ("fork_predicted_bytes", "fork_cow_bytes", "fork_duration_seconds", "server_resident_bytes")
                seen.append(Seen(*(agent.values(f"bgsafe_{name}", server.socket_path)[0] for name in names)))
    return seen


def wait_for_forks(agent: Watching, server: RunningServer, count: int) -> None:
    """Until the agent has written down so many."""
    while sum(agent.values("bgsafe_forks_total", server.socket_path)) < count:
        time.sleep(0.1)


def prediction() -> list[str]:
    """What is published of a steady workload, before and after the first watched fork."""
    uniform = Workload(keys=400_000, value_bytes=100, write_rate_per_second=1200)
    rows = []
    for steady in (
        Steady("nobody counts the writes", uniform, access=False),
        Steady("INFO counts the writes", uniform, access=True),
    ):
        first, *others = forks_of(steady)
        errors = sorted(each.error() for each in others)
        same_time = [after.error_in_the_same_time(before) for before, after in pairwise([first, *others])]
        seconds = [each.seconds for each in (first, *others)]
        saves = f"saves of {min(seconds):.1f} to {max(seconds):.1f} s"
        what = f"prediction error, {steady.workload}, {saves}, {steady.what}"
        figures = (
            f"first {first.error():.1%}, then median {median(errors):.1%} (largest {errors[-1]:.1%} of {len(errors)}); "
            f"had each save taken as long as the one before: median {median(same_time):.1%}"
        )
        rows.append(row(what, figures, "median ≤ 5 % after one fork"))
    return rows


def p99_ms(port: int) -> tuple[float, float]:
    """99th percentile (ms) and requests per second of redis-benchmark."""
    command = ["redis-benchmark", "-p", str(port), "-t", "set", "-n", str(LATENCY_REQUESTS), "-r", "100000"]
    command += ["-c", "20", "-d", "100", "--csv"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    header, values = (line.strip('"').split('","') for line in lines[-2:])
    table = dict(zip(header, values, strict=True))
    return float(table["p99_latency_ms"]), float(table["rps"])


def latency() -> list[str]:
    """The same server with and without the agent, in turns."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "3600 1000000000", "--dir", directory]
        server = subprocess.Popen([str(find_servers()[0].path), *options], stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            p99_ms(port)
            found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
            for number in range(2 * LATENCY_ROUNDS):
                beside = number % 2 == 1
                with ExitStack() as stack:
                    if beside:
                        stack.enter_context(watching())
                        time.sleep(3)
                    found[beside].append(p99_ms(port))
        finally:
            server.kill()
            server.wait()
    rate = median(each for _, each in found[False] + found[True])
    texts = {beside: spread([each for each, _ in pairs]) for beside, pairs in found.items()}
    what = f"p99 of a server at {rate:,.0f} requests/s, {LATENCY_ROUNDS} runs each in turns"
    return [row(what, f"{texts[True]} with the agent, {texts[False]} without", "no difference")]


def spread(values: Sequence[float]) -> str:
    """Median, and from where to where."""
    return f"{median(values):.2f} ms ({min(values):.2f}–{max(values):.2f})"


def section() -> str:
    """For docs/benchmarks.md."""
    rows = [*cost(), *caught(), *prediction(), *latency()]
    return "\n## `bgsafe agent`\n\n| what | found | bar |\n|---|---|---|\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    parts = {"cost": cost, "caught": caught, "prediction": prediction, "latency": latency}
    for name in sys.argv[1:] or parts:
        print("\n".join(parts[name]()), flush=True)
