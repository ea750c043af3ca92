"""A cluster of 20,000 pods gone through, and a report of 500 servers opened in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from checker.lint import lint
from checker.manifests import Text
from checker.report import Report
from checker.report.html import render
from checker.units import MIB
from tests.cluster.serving import serving
from tests.survey.test_many import PODS, REDIS_EVERY, a_large_cluster, go_through

SERVERS: Final = 500
OPENINGS: Final = 5

MANIFEST: Final = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: cache, namespace: shop}
spec:
  template:
    spec:
      containers:
        - {name: redis, image: "redis:7.2", args: [--maxmemory, 3gb], resources: {limits: {memory: 4Gi}}}
"""

CHROMIUM: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

LOADED: Final = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


def section() -> str:
    """Both, for the page of benchmarks."""
    return f"\n## Fleets\n\n{_cluster()}\n\n{_report()}\n"


def _cluster() -> str:
    """CPU time, since the server that answers shares the machine; beside the bare parse of the same pages."""
    with tempfile.TemporaryDirectory() as folder, serving(a_large_cluster()) as url:
        before = os.times()
        memory = go_through(url, Path(folder), "--format", "json")
        after = os.times()
        parse = _parse_seconds(f"{url}/api/v1/pods")
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return (
        f"`bgsafe cluster` goes through {PODS:,} pods (pages over HTTP, one pod in {REDIS_EVERY} a Redis) in "
        f"{seconds:.1f} s of CPU, {PODS / seconds:,.0f} a second, and {memory / MIB:.0f} MiB, its own start "
        f"included; parsing the same JSON alone takes {parse:.1f} s (ratio {seconds / parse:.1f})."
    )


def _parse_seconds(url: str) -> float:
    token, seconds = "0", 0.0
    while token:
        with urllib.request.urlopen(f"{url}?limit=250&continue={token}") as answer:  # noqa: S310  # loopback
            raw = answer.read()
        begun = time.process_time()
        page = json.loads(raw)
        seconds += time.process_time() - begun
        token = page["metadata"].get("continue", "")
    return seconds


def _report() -> str:
    one = lint([Text("cache.yaml", 1, MANIFEST)]).report
    many = replace(one, verdicts=one.verdicts * SERVERS)
    begun = time.process_time()
    page = render(many)
    written = time.process_time() - begun
    said = (
        f"The HTML report of {SERVERS} servers is {len(page.encode()) / 1e6:.1f} MB, written in {written:.2f} s of CPU"
    )
    opened = _opened(many), _opened(one)
    if None in opened:
        return f"{said}; no chromium is here to open it."
    return f"{said}; Chromium has it open after {opened[0]:.0f} ms, a report of one server after {opened[1]:.0f} ms."


def _opened(report: Report) -> float | None:
    """Milliseconds until the page has loaded, the median; None where there is no browser."""
    binary, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver_path is None:
        return None
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(render(report), encoding="utf-8")
        options: Any = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*CHROMIUM, f"--user-data-dir={folder}/profile"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(driver_path))
        try:
            times = []
            for _ in range(OPENINGS):
                driver.get(path.as_uri())
                times.append(float(driver.execute_script(LOADED)))
        finally:
            driver.quit()
    return median(times)
