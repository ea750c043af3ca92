"""The HTTP of the webhook: what is answered, refused, counted and logged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import monotonic
from typing import Any, get_args

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Maybe
from checker.policy import Policy
from tests.webhook.making import ENFORCE, Held, asked, container, of_verdict, pod
from webhook import review as webhook_review
from webhook.app import MAX_REQUEST_BYTES, MOST_REVIEW_SECONDS, create_app, review_seconds
from webhook.metrics import Metrics, Reason
from webhook.wsgi import RECEIVED


class Events(list[dict[str, Any]]):
    """A log that keeps what it is told."""

    def __call__(self, event: str, **fields: object) -> None:
        self.append({"event": event, **fields})


def client(policy: Policy = ENFORCE, events: Events | None = None, **options: Any) -> FlaskClient:
    """A client of an application whose log is thrown away, or kept in `events`."""
    return create_app(lambda: policy, log=Events() if events is None else events, **options).test_client()


def posted(body: object, **options: Any) -> tuple[int, Any]:
    """(status, JSON or text) of a review."""
    response = client(**options).post("/validate?timeout=3s", json=body)
    return response.status_code, response.json if response.is_json else response.text


def test_a_denial_is_an_answer_with_status_200() -> None:
    status, answer = posted(asked(pod()))
    assert status == 200
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    assert answer["response"]["allowed"] is False
    assert answer["response"]["status"]["code"] == 403


def test_a_safe_object_is_admitted_without_a_word() -> None:
    _, answer = posted(asked(of_verdict("safe")))
    assert answer["response"]["allowed"] is True
    assert "warnings" not in answer["response"]


def test_the_labels_of_the_requests_namespace_decide() -> None:
    around = Held(namespace_labels={"bgsafe.io/mode": "warn"})
    assert posted(asked(pod()), around=around)[1]["response"]["allowed"] is True


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        pytest.param(b"{}", {"Content-Type": "application/json"}, 400, "malformed", id="no review"),
        pytest.param(b"{", {"Content-Type": "application/json"}, 400, "not_json", id="broken JSON"),
        pytest.param(b"", {"Content-Type": "application/json"}, 400, "not_json", id="nothing"),
        pytest.param(b"\xff\xff\xff", {"Content-Type": "application/json"}, 400, "not_json", id="no text"),
        pytest.param(b"[" * 200_000, {"Content-Type": "application/json"}, 400, "not_json", id="nested without end"),
        pytest.param(b"9" * 10_000, {"Content-Type": "application/json"}, 400, "not_json", id="an endless number"),
        pytest.param(b"{}", {"Content-Type": "text/plain"}, 415, "content_type", id="another type"),
        pytest.param(b"{}", {}, 415, "content_type", id="no type"),
        pytest.param(
            b"{}",
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            415,
            "content_type",
            id="compressed",
        ),
        pytest.param(
            b" " * (MAX_REQUEST_BYTES + 1), {"Content-Type": "application/json"}, 413, "too_large", id="too large"
        ),
        pytest.param(
            b" " * MAX_REQUEST_BYTES, {"Content-Type": "application/json"}, 400, "not_json", id="just not too large"
        ),
    ],
)
def test_what_is_no_review_is_refused_with_a_reason(
    body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    events, metrics = Events(), Metrics()
    response = client(events=events, metrics=metrics).post("/validate", data=body, headers=headers)
    assert response.status_code == status
    assert response.text.strip()
    assert "<" not in response.text  # no page of HTML
    assert [(event["event"], event["reason"]) for event in events] == [("refused", reason)]
    assert f'bgsafe_admission_errors_total{{reason="{reason}"}} 1.0' in metrics.exposition("")[0].decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/validate", 405, id="another method"),
        pytest.param("POST", "/mutate", 404, id="another path"),
        pytest.param("GET", "/static/app.py", 404, id="no files are served"),
        pytest.param("GET", "/console", 404, id="no debugger"),
    ],
)
def test_there_is_nothing_else(method: str, path: str, status: int) -> None:
    response = client().open(path, method=method)
    assert response.status_code == status
    assert response.mimetype == "text/plain"


def test_it_is_ready_when_nothing_is_missing() -> None:
    assert client().get("/healthz").status_code == 200
    assert client().get("/readyz").status_code == 200
    waiting = client(not_ready=lambda: "no certificate yet").get("/readyz")
    assert (waiting.status_code, waiting.text) == (503, "no certificate yet\n")


def test_metrics_count_reviews_and_tell_the_expiry() -> None:
    metrics = Metrics(certificate_expiry=lambda: 1.9e9)
    app = client(metrics=metrics)
    app.post("/validate", json=asked(pod()))
    app.post("/validate", json=asked(pod(), "DELETE"))
    text = app.get("/metrics").text
    denied = 'allowed="false",kind="Pod",mode="enforce",operation="CREATE",verdict="unsafe"'
    passed = 'allowed="true",kind="Pod",mode="enforce",operation="DELETE",verdict="passed"'
    for line in (
        f"bgsafe_admission_reviews_total{{{denied}}} 1.0",
        f"bgsafe_admission_reviews_total{{{passed}}} 1.0",
        "bgsafe_admission_review_duration_seconds_count 2.0",
        "bgsafe_certificate_expiry_timestamp_seconds 1.9e+09",
    ):
        assert line in text
    assert "_created" not in text


def test_every_reason_is_counted_from_zero_on() -> None:
    """An alert on an increase does not see a counter that begins at 1."""
    text = Metrics().exposition("")[0].decode()
    for reason in get_args(Reason):
        assert f'bgsafe_admission_errors_total{{reason="{reason}"}} 0.0' in text


def test_a_scraper_may_ask_for_open_metrics() -> None:
    response = client().get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert response.mimetype == "application/openmetrics-text"
    assert response.text.endswith("# EOF\n")


def test_a_decision_is_logged_without_what_is_in_the_object() -> None:
    events = Events()
    secret = [{"name": "REDIS_PASSWORD", "value": "hunter2"}]
    client(events=events).post("/validate", json=asked(pod(container(env=secret)), dryRun=True))
    (event,) = events
    assert event["event"] == "review"
    assert (event["kind"], event["namespace"], event["name"]) == ("Pod", "shop", "cache")
    assert (event["verdict"], event["allowed"], event["mode"], event["dry_run"]) == ("unsafe", False, "enforce", True)
    assert "hunter2" not in json.dumps(events)


def test_an_object_without_a_server_is_not_logged() -> None:
    events = Events()
    client(events=events).post("/validate", json=asked(of_verdict("none")))
    assert events == []


def test_a_name_without_end_does_not_fill_the_log() -> None:
    events = Events()
    client(events=events).post("/validate", json=asked(pod(), uid="u" * 100_000, name="n" * 100_000))
    assert len(json.dumps(events)) < 2000


def test_a_bug_is_counted_and_logged_by_its_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("requirepass hunter2")

    monkeypatch.setattr(webhook_review, "judge", broken)
    events, metrics = Events(), Metrics()
    response = client(events=events, metrics=metrics).post("/validate", json=asked(pod()))
    assert response.json is not None
    assert response.json["response"]["allowed"] is True
    (event,) = events
    assert (event["error"], event["fault"]) == ("fault", "KeyError")
    assert event["trace"][-1].startswith("test_app.py:")
    assert "hunter2" not in json.dumps(events)
    assert 'bgsafe_admission_errors_total{reason="fault"} 1.0' in metrics.exposition("")[0].decode()


def test_a_bug_beside_the_review_is_a_500_without_a_traceback() -> None:
    class Broken(Held):
        def labels(self, namespace: str) -> Maybe[Mapping[str, str]]:
            raise KeyError("hunter2")

    events = Events()
    response = client(events=events, around=Broken()).post("/validate", json=asked(pod()))
    assert response.status_code == 500
    assert [event["event"] for event in events] == ["bug"]
    assert "hunter2" not in response.text + json.dumps(events)


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        pytest.param("1s", 0.5, id="half of it"),
        pytest.param("500ms", 0.25, id="milliseconds"),
        pytest.param("1.5s", 0.75, id="a fraction"),
        pytest.param("0m1s", 0.5, id="two units"),
        pytest.param("30s", MOST_REVIEW_SECONDS, id="never more than the most"),
        pytest.param("", MOST_REVIEW_SECONDS, id="missing"),
        pytest.param("soon", MOST_REVIEW_SECONDS, id="no duration"),
        pytest.param("s", MOST_REVIEW_SECONDS, id="a unit alone"),
        pytest.param("9" * 400 + "h", MOST_REVIEW_SECONDS, id="endless"),
        pytest.param("0s", 0.0, id="no time"),
    ],
)
def test_a_review_has_half_of_the_timeout(timeout: str, seconds: float) -> None:
    assert review_seconds(timeout) == pytest.approx(seconds)


def test_the_time_that_a_request_waited_counts() -> None:
    waited = {RECEIVED: monotonic() - 60}
    response = client().post("/validate?timeout=3s", json=asked(pod()), environ_overrides=waited)
    assert response.json is not None
    assert response.json["response"]["allowed"] is True
    assert "it took too long" in response.json["response"]["warnings"][0]


def test_a_script_that_takes_for_ever_to_follow_is_admitted_in_time() -> None:
    slow = container(command=["sh", "-c", "echo a b c; " * 100_000])
    response = client().post("/validate?timeout=200ms", json=asked(pod(slow)))
    assert response.json is not None
    assert response.json["response"]["allowed"] is True
    assert "it took too long" in response.json["response"]["warnings"][0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
FIELDS = st.sampled_from([*asked(pod())["request"], "subResource"])
APP = client(Policy(mode="enforce", deny_on="risky", unknown="deny"))


def with_field(field: str, value: Any) -> dict[str, Any]:
    body = asked(pod(), "UPDATE")
    body["request"][field] = value
    return body


@given(JSON | st.builds(with_field, FIELDS, JSON))
def test_any_json_gets_an_answer_or_a_4xx(body: Any) -> None:
    response = APP.post("/validate", data=json.dumps(body), content_type="application/json")
    assert response.status_code in (200, 400)
    if response.status_code == 200:
        answer = json.loads(response.data)
        assert answer["response"]["uid"] == body["request"]["uid"]
        assert answer["response"]["allowed"] in (True, False)


@given(st.binary(max_size=200))
def test_any_bytes_get_a_4xx(body: bytes) -> None:
    assert APP.post("/validate", data=body, content_type="application/json").status_code == 400
