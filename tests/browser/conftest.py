"""A real headless Chromium, one for all tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checker.report import Report
from checker.report.html import render

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    binary, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver_path is None:
        pytest.skip("no chromium with its chromedriver: deploy/debian-packages installs them")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}", "--window-size=1280,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def shown(chromium: Any, tmp_path: Path) -> Iterator[Callable[[Report], Any]]:
    """Open a report; afterwards nothing may have complained, neither a script nor the page's own policy."""

    def show(report: Report) -> Any:
        page = tmp_path / "report.html"
        page.write_text(render(report), encoding="utf-8")
        chromium.get_log("browser")
        chromium.set_window_size(1280, 1000)
        chromium.get(page.as_uri())
        return chromium

    yield show
    assert [entry["message"] for entry in chromium.get_log("browser")] == []
