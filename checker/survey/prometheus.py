"""Instant queries of a Prometheus server, with the standard library: a GET and its JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import SplitResult, unquote, urlencode, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from checker.facts import Maybe, Unread

TIMEOUT_SECONDS: Final = 20.0
"""A judgement: a query over a day of some thousand series."""

MAX_ANSWER_BYTES: Final = 64 * 1024**2
"""A judgement: far above 100,000 samples."""


def ask(url: str, queries: Sequence[str]) -> Maybe[Mapping[str, Sequence[Mapping[str, Any]]]]:
    """Query → the samples of its answer; Unread as soon as one fails. A name and password may be in the URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Unread("--prometheus", "expected a URL like http://prometheus.monitoring:9090")
    answers = {}
    for query in queries:
        answer = _query(parts, query)
        if isinstance(answer, Unread):
            return answer
        answers[query] = answer
    return answers


def _query(parts: SplitResult, query: str) -> Maybe[Sequence[Mapping[str, Any]]]:
    host = parts.netloc.rpartition("@")[2]
    target = urlunsplit((parts.scheme, host, f"{parts.path.rstrip('/')}/api/v1/query", urlencode({"query": query}), ""))
    where = f"Prometheus at {parts.scheme}://{host}"
    request = Request(target, headers={"Accept": "application/json"})  # noqa: S310  # the scheme was looked at
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            raw = response.read(MAX_ANSWER_BYTES + 1)
        if len(raw) > MAX_ANSWER_BYTES:
            return Unread(where, f"answered more than {MAX_ANSWER_BYTES} bytes", "ask one cluster's Prometheus")
        found = json.loads(raw)["data"]["result"]
    except (URLError, OSError) as error:
        return Unread(where, f"{error}", "see whether the address is right, and may be reached from here")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return Unread(where, f"did not answer as Prometheus does: {type(error).__name__}: {error}", "see the address")
    if not isinstance(found, list):
        return Unread(where, "did not answer with a list of samples", "see the address")
    return [sample for sample in found if isinstance(sample, dict)]
