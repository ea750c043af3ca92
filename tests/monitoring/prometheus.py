"""A real Prometheus on loopback, in a directory of its own, that scrapes and evaluates every second."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.webhook.serving import free_port, until

PROGRAM = shutil.which("prometheus")

ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Prometheus:
    """What it knows, asked over its HTTP interface."""

    url: str

    def get(self, path: str, **parameters: str | float) -> Any:
        """The `data` of an answer; an answer that is an error raises."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an expression at this moment."""
        found: list[dict[str, Any]] = self.get("query", query=expr)["result"]
        return found

    def value(self, expr: str) -> float | None:
        """The value of the one series of an expression; None where there is none."""
        found = self.query(expr)
        assert len(found) < 2, f"{expr}: {len(found)} series"
        return float(found[0]["value"][1]) if found else None

    def firing(self, alert: str) -> list[dict[str, Any]]:
        """The alerts of a name that fire, with labels and annotations."""
        alerts = self.get("alerts")["alerts"]
        return [one for one in alerts if one["labels"]["alertname"] == alert and one["state"] == "firing"]


def shortened(rules: Path) -> str:
    """The same rules, for a test that has no hour: what fires after any time fires after a second."""
    content = yaml.safe_load(rules.read_text())
    for group in content["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "1s"
    return yaml.safe_dump(content, sort_keys=False)


@contextmanager
def running(directory: Path, scrape_configs: Sequence[dict[str, Any]], rules: Sequence[Path]) -> Iterator[Prometheus]:
    """Start it, wait until it is ready, and end it."""
    assert PROGRAM is not None
    for path in rules:
        (directory / path.name).write_text(shortened(path))
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [path.name for path in rules],
        "scrape_configs": list(scrape_configs),
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [PROGRAM, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
    started = Prometheus(f"http://{address}")

    def ready() -> bool:
        assert process.poll() is None, (directory / "prometheus.log").read_text()[-2000:]
        try:
            urllib.request.urlopen(f"{started.url}/-/ready", timeout=ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    try:
        until(ready, 20)
        yield started
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
