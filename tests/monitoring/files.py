"""What is in deploy/prometheus and deploy/grafana, read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
RULE_FILES = sorted((REPOSITORY / "deploy" / "prometheus").glob("*-rules.yaml"))
TEST_FILES = sorted((REPOSITORY / "deploy" / "prometheus" / "tests").glob("*.yaml"))
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "bgsafe.json"

_RULES: list[dict[str, Any]] = [
    rule for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
]

ALERTS: dict[str, list[dict[str, Any]]] = {}
"""Rules by alert: two severities of one alert are two rules."""
for _rule in _RULES:
    if "alert" in _rule:
        ALERTS.setdefault(_rule["alert"], []).append(_rule)

RECORDED: dict[str, str] = {rule["record"]: rule["expr"] for rule in _RULES if "record" in rule}
"""Expression by recorded name."""
