"""What the webhook counts, for Prometheus. The only module of it that knows `prometheus_client`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from webhook.review import Reviewed

_BUCKETS_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""From an object without a server to the deadline of `webhook.app`."""

Reason = Literal[
    "fault",
    "deadline",
    "policy",
    "malformed",
    "not_json",
    "content_type",
    "too_large",
    "unknown_kind",
    "lookup",
    "unread",
]
"""Why something could not be reviewed, or not with all that it needed (docs/webhook.md)."""


class Metrics:
    """The counters of one process, in a registry of their own: two applications do not share them."""

    def __init__(self, certificate_expiry: Callable[[], float] | None = None) -> None:
        """`certificate_expiry` gives Unix seconds; None where this process serves without one."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double what is scraped
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "bgsafe_admission_review_duration_seconds",
            "Time from the whole request to the answer of one admission review.",
            buckets=_BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._reviews = Counter(
            "bgsafe_admission_reviews_total",
            "Admission reviews answered. verdict: a grade, or none (no server), exempt, passed, failed.",
            ("kind", "operation", "verdict", "allowed", "mode"),
            registry=self._registry,
        )
        self._errors = Counter(
            "bgsafe_admission_errors_total",
            "Requests that could not be reviewed, by reason.",
            ("reason",),
            registry=self._registry,
        )
        for reason in get_args(Reason):
            self._errors.labels(reason)  # from 0 on: Prometheus sees no increase in a counter that begins at 1
        if certificate_expiry is not None:
            Gauge(
                "bgsafe_certificate_expiry_timestamp_seconds",
                "When the serving certificate expires (Unix time).",
                registry=self._registry,
            ).set_function(certificate_expiry)

    def count(self, reviewed: Reviewed, seconds: float) -> None:
        """One answered review."""
        allowed = "true" if reviewed.allowed else "false"
        self._reviews.labels(reviewed.kind, reviewed.operation, reviewed.conclusion, allowed, reviewed.mode).inc()
        self._seconds.observe(seconds)
        if reviewed.error:
            self.count_error(reviewed.error)

    def count_error(self, reason: Reason) -> None:
        """One request that was no review, or could not be judged."""
        self._errors.labels(reason).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """(body, content type) of /metrics, in the format that the scraper's Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
