"""The dashboard: what is committed is what is generated, and it is whole. Its queries run in tests/live."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations
from typing import Any

import pytest

from tests.monitoring.files import DASHBOARD, REPOSITORY

GRID_COLUMNS = 24


def panels() -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return content


def test_what_is_committed_is_what_is_generated() -> None:
    script = REPOSITORY / "deploy" / "grafana" / "dashboard.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30, check=True)
    again = "run `python deploy/grafana/dashboard.py > deploy/grafana/bgsafe.json`"
    assert DASHBOARD.read_text() == done.stdout, again


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    areas = [panel["gridPos"] for panel in panels()]
    for one in areas:
        assert one["x"] + one["w"] <= GRID_COLUMNS
    for one, other in combinations(areas, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@pytest.mark.parametrize("panel", [one for one in panels() if one["type"] != "row"], ids=lambda panel: panel["title"])
def test_each_panel_says_what_it_shows_and_asks_the_chosen_source(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    refs = [target["refId"] for target in panel["targets"]]
    assert refs == sorted(set(refs))
    for target in panel["targets"]:
        assert '=~"$cluster"' in target["expr"]


def test_only_variables_that_exist_are_used() -> None:
    content = json.loads(DASHBOARD.read_text())
    names = [variable["name"] for variable in content["templating"]["list"]]
    assert names == ["datasource", "cluster", "namespace", "pod"]
    used = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text()))
    assert used == {*names, "__rate_interval", "__all"}
