"""What is exposed, by Prometheus' own conventions. The agent's page is checked in tests/live/test_alerts.py."""

from __future__ import annotations

import re
from typing import get_args

from checker.agent.troubles import Probe
from tests.monitoring.files import ALERTS, REPOSITORY
from tests.monitoring.promtool import needs_promtool, promtool
from webhook.metrics import Metrics, Reason


@needs_promtool
def test_promtool_takes_the_metrics_of_the_webhook() -> None:
    promtool("check", "metrics", stdin=Metrics(certificate_expiry=lambda: 1.9e9).exposition("")[0].decode())


REFUSALS = {"malformed", "not_json", "content_type", "too_large"}
"""What the alert's last `else` is about."""


def test_the_alert_on_failures_has_words_for_every_reason() -> None:
    (rule,) = ALERTS["BgsafeWebhookFailing"]
    left_out = set(re.findall(r'reason!~"([a-z_|]+)"', rule["expr"])[0].split("|"))
    told = set(re.findall(r'reason "([a-z_]+)"', rule["annotations"]["description"]))
    assert left_out | told | REFUSALS == set(get_args(Reason))
    runbook = (REPOSITORY / "docs" / "runbooks" / "BgsafeWebhookFailing.md").read_text()
    assert [reason for reason in get_args(Reason) if f"`{reason}`" not in runbook] == []


def test_the_runbook_on_errors_of_scans_names_every_probe() -> None:
    runbook = (REPOSITORY / "docs" / "runbooks" / "BgsafeScanErrors.md").read_text()
    assert [probe for probe in get_args(Probe) if f"`{probe}`" not in runbook] == []
