"""The webhook's HTTP: POST /validate, and what an operator looks at. Decides nothing; see `webhook.review`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from time import monotonic
from traceback import extract_tb
from typing import Any, Final, NoReturn, Protocol
from urllib.parse import parse_qs

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    InternalServerError,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from checker.deadline import within
from checker.log import log as write_event
from checker.policy import Policy
from checker.units import MIB
from webhook.metrics import Metrics, Reason
from webhook.review import MalformedReviewError, Memory, Request, Reviewed, Surroundings, Unasked, parse, review
from webhook.wsgi import RECEIVED

MAX_REQUEST_BYTES: Final = 4 * MIB
"""The API server takes objects of 3 MiB at most (k8s.io/apiserver MaxRequestBodyBytes); the rest is the envelope."""

DEFAULT_TIMEOUT_SECONDS: Final = 3.0
"""Our configuration's timeoutSeconds, where the request does not say its own."""

MOST_REVIEW_SECONDS: Final = 1.0
"""A judgement: a review takes milliseconds, and the others wait behind one that does not."""

MOST_LOGGED_CHARACTERS: Final = 253
"""Of a name: longer ones are none (RFC 1123), and would fill the log."""

_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d*)?(?:h|ms|m|us|µs|ns|s))+", re.ASCII)
_PART: Final = re.compile(r"(\d+(?:\.\d*)?)(h|ms|m|us|µs|ns|s)", re.ASCII)


class Log(Protocol):
    """Takes one event. Its fields are for everybody to read: no part of an object but its kind and name is in them."""

    def __call__(self, event: str, **fields: object) -> None: ...


def create_app(
    policy: Callable[[], Policy],
    *,
    around: Surroundings | None = None,
    not_ready: Callable[[], str | None] = lambda: None,
    metrics: Metrics | None = None,
    log: Log = write_event,
) -> Flask:
    """The WSGI application.

    `policy` gives the one in force, and is asked for every review; `around` is the cluster, none where nobody is to be
    asked; `not_ready` says why /readyz is to fail, None when all is well. None of them may raise.
    """
    app = Flask("bgsafe-webhook", static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES, PROPAGATE_EXCEPTIONS=False)
    app.logger.disabled = True  # its tracebacks may quote an object; `in_words` logs what may be told
    counted = metrics or Metrics()
    around, memory = around or Unasked(), Memory()

    @app.post("/validate")
    def validate() -> Response:
        started = float(request.environ.get(RECEIVED, monotonic()))
        asked = _asked(counted, log)
        with within(_review_seconds(request.query_string) - (monotonic() - started)):
            reviewed = review(asked, policy(), around, memory)
        seconds = monotonic() - started
        counted.count(reviewed, seconds)
        if reviewed.error or reviewed.conclusion not in ("none", "passed"):
            log("review", **_fields(asked, reviewed, seconds))
        return Response(orjson.dumps(reviewed.answer), mimetype="application/json")

    @app.get("/healthz")
    def healthz() -> Response:
        return _plain("ok", 200)

    @app.get("/readyz")
    def readyz() -> Response:
        reason = not_ready()
        return _plain("ok", 200) if reason is None else _plain(reason, 503)

    @app.get("/metrics")
    def exposition() -> Response:
        body, content_type = counted.exposition(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    @app.errorhandler(HTTPException)
    def in_words(error: HTTPException) -> Response:
        if isinstance(error, InternalServerError) and error.original_exception is not None:
            counted.count_error("fault")
            log("bug", level="error", where="application", **_fault(error.original_exception))
        response = _plain(error.description or error.name, error.code or 500)
        if error.code == 405:
            response.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
        return response

    return app


def review_seconds(timeout: str) -> float:
    """How long a review may take, by the `timeout` that the API server sends (a Go duration: `3s`, `1m30s`, `500ms`).

    Half of it, since the answer has to travel; one that is missing or cannot be read is that of our configuration.
    """
    said = DEFAULT_TIMEOUT_SECONDS
    if len(timeout) <= 32 and _DURATION.fullmatch(timeout):
        said = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(timeout))
    return min(said / 2, MOST_REVIEW_SECONDS)


@lru_cache(maxsize=64)
def _review_seconds(query: bytes) -> float:
    """By the query string, which is the same in every request of the API server."""
    said = parse_qs(query.decode("latin-1")).get("timeout", [""])
    return review_seconds(said[0])


def _asked(metrics: Metrics, log: Log) -> Request:
    """The review in the body. Whatever is wrong with it is told, counted and logged."""

    def refuse(reason: Reason, error: HTTPException) -> NoReturn:
        metrics.count_error(reason)
        log("refused", level="warning", reason=reason, detail=error.description)
        raise error

    as_expected = request.environ.get("CONTENT_TYPE") == "application/json" or request.mimetype == "application/json"
    if not as_expected or request.headers.get("Content-Encoding", "identity") != "identity":
        refuse("content_type", UnsupportedMediaType("expected Content-Type: application/json, not compressed"))
    try:
        body = orjson.loads(request.get_data(cache=False))
    except RequestEntityTooLarge:
        refuse("too_large", RequestEntityTooLarge(f"the body is larger than {MAX_REQUEST_BYTES} bytes"))
    except ValueError as error:
        refuse("not_json", BadRequest(f"the body is not JSON: {error}"))
    try:
        return parse(body)
    except MalformedReviewError as error:
        refuse("malformed", BadRequest(str(error)))


def _fields(asked: Request, reviewed: Reviewed, seconds: float) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "level": "error" if reviewed.fault else "warning" if reviewed.error else "info",
        "uid": asked.uid[:MOST_LOGGED_CHARACTERS],
        "operation": asked.operation,
        "dry_run": asked.dry_run,
        "kind": asked.kind[:MOST_LOGGED_CHARACTERS],
        "namespace": (asked.namespace or "")[:MOST_LOGGED_CHARACTERS] or None,
        "name": asked.name[:MOST_LOGGED_CHARACTERS],
        "mode": reviewed.mode,
        "verdict": reviewed.conclusion,
        "allowed": reviewed.allowed,
        "seconds": round(seconds, 6),
    }
    if reviewed.error:
        fields["error"] = reviewed.error
    if reviewed.fault is not None:
        fields |= _fault(reviewed.fault)
    return fields


def _fault(fault: BaseException) -> dict[str, Any]:
    """Where, and not what: the message of an exception may quote the object, and with it a password."""
    places = [f"{Path(place.filename).name}:{place.lineno}" for place in extract_tb(fault.__traceback__)]
    return {"fault": type(fault).__name__, "trace": places[-8:]}


def _plain(text: str, status: int) -> Response:
    return Response(f"{text}\n", status=status, mimetype="text/plain")
