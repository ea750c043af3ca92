"""What is exposed, by Prometheus' own conventions. The agent's page is checked in tests/live/test_alerts.py."""

from __future__ import annotations

from tests.monitoring.promtool import needs_promtool, promtool
from webhook.metrics import Metrics


@needs_promtool
def test_promtool_takes_the_metrics_of_the_webhook() -> None:
    promtool("check", "metrics", stdin=Metrics(certificate_expiry=lambda: 1.9e9).exposition("")[0].decode())
