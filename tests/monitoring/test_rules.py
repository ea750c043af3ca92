"""The alerts: promtool takes them, each fires and keeps quiet where it should, and each says what a person needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.files import ALERTS, RECORDED, REPOSITORY, RULE_FILES, TEST_FILES
from tests.monitoring.promtool import needs_promtool, promtool

RUNBOOKS = "https://bgsafe.io/docs/runbooks"


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)


@needs_promtool
@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_each_alert_fires_and_keeps_quiet_where_it_should(path: Path) -> None:
    promtool("test", "rules", path)


def promtool_cases() -> list[dict[str, Any]]:
    """Every `alert_rule_test` of the tests that promtool runs."""
    tests = [test for path in TEST_FILES for test in yaml.safe_load(path.read_text())["tests"]]
    return [case for test in tests for case in test.get("alert_rule_test", ())]


@pytest.mark.parametrize("alert", ALERTS, ids=str)
def test_promtool_sees_each_alert_fire_with_its_text_and_not_fire(alert: str) -> None:
    expected = [case["exp_alerts"] for case in promtool_cases() if case["alertname"] == alert]
    severities = {one["exp_labels"]["severity"] for firing in expected for one in firing}
    assert [] in expected, "no test in which it does not fire"
    assert severities == {rule["labels"]["severity"] for rule in ALERTS[alert]}


@pytest.mark.parametrize("alert", ALERTS, ids=str)
def test_each_alert_says_what_a_person_needs(alert: str) -> None:
    assert re.fullmatch(r"Bgsafe([A-Z][a-z]+)+", alert)
    for rule in ALERTS[alert]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS}/{alert}"


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_series_are_named_by_level_metric_and_operation(name: str) -> None:
    assert re.fullmatch(r"(server|job):bgsafe_[a-z_]+:[a-z0-9]+", name)


def test_every_rule_that_can_fail_has_one_alert() -> None:
    """What BgsafeServerUnsafe leaves out is what the others name."""
    named: set[str] = set()
    for alert, rules in ALERTS.items():
        if alert != "BgsafeServerUnsafe":
            for rule in rules:
                for words in re.findall(r'rule=~?"([a-z|-]+)", status="fail"', rule["expr"]):
                    named |= set(words.split("|"))
    (catch_all,) = ALERTS["BgsafeServerUnsafe"]
    left_out = re.findall(r'rule!~"([a-z|-]+)"', catch_all["expr"])
    assert set(left_out[0].split("|")) == named


def test_the_monitoring_page_lists_every_alert() -> None:
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    listed = re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\) \| ([\w, ]+) \|", page, re.MULTILINE)
    severities = {name: ", ".join(sorted({rule["labels"]["severity"] for rule in ALERTS[name]})) for name in ALERTS}
    assert dict(listed) == severities


@needs_promtool
def test_prometheus_takes_the_configuration_of_the_monitoring_page(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "monitoring.md").read_text(), re.DOTALL)
    (tmp_path / "bgsafe-ca.crt").touch()
    configuration = "".join(blocks).replace("/etc/prometheus/bgsafe/", f"{RULE_FILES[0].parent}/")
    (tmp_path / "prometheus.yml").write_text(configuration.replace("/etc/prometheus/bgsafe-ca.crt", "bgsafe-ca.crt"))
    promtool("check", "config", tmp_path / "prometheus.yml")
