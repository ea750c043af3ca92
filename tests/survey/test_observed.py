"""What agents measured, from a Prometheus: a real one, and one that answers nonsense."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from checker.cli import cli
from checker.facts import Unread, WatchedFork
from checker.survey.observed import COPIED, LASTED, QUERIES, RATE, RESIDENT, Observed, observations, with_observed
from checker.survey.prometheus import ask
from checker.units import MIB
from tests.build import a_manifest
from tests.monitoring import prometheus
from tests.survey.fleet import a_cluster, pod, spec
from tests.webhook.clusters import api_server, kubeconfig
from tests.webhook.serving import until


@contextmanager
def answering(text: str, status: int = 200, seen: list[Any] | None = None) -> Iterator[str]:
    """A server that says this to everything."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            pass

        def do_GET(self) -> None:
            if seen is not None:
                seen.append((self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sample(pod: str, value: str, namespace: str = "shop") -> dict[str, Any]:
    return {"metric": {"namespace": namespace, "pod": pod}, "value": [1.0, value]}


def test_samples_are_put_together_by_pod():
    found = observations(
        {
            RATE: [sample("a", "120"), sample("a", "90"), sample("b", "NaN"), sample("", "7")],
            COPIED: [sample("a", str(50 * MIB)), sample("c", str(9 * MIB))],
            LASTED: [sample("a", "4.5"), sample("c", "0")],
            RESIDENT: [sample("a", str(400 * MIB)), sample("c", str(40 * MIB))],
        }
    )
    fork = WatchedFork(resident_bytes=400 * MIB, copied_bytes=50 * MIB, seconds=4.5, lifetime_seconds=4.5, writes=None)
    assert found["shop", "a"] == Observed(120.0, fork)
    assert found["shop", "c"] == Observed(None, None)
    assert set(found) == {("shop", "a"), ("shop", "c")}


@pytest.mark.parametrize("value", ["+Inf", "-1", "x", None, {}])
def test_what_is_no_amount_is_left_out(value):
    assert observations({RATE: [{"metric": {"pod": "a"}, "value": [1, value]}, {"metric": {"pod": "a"}}]}) == {}


def test_the_busiest_pod_counts():
    server = with_observed(a_manifest(), [Observed(10.0), Observed(300.0), Observed(None)])
    assert server.info is not None
    assert server.info.write_rate_per_second == 300.0
    assert server.info.write_rate_source == "measured by agents: the highest of 2 pods in 1d"
    assert with_observed(a_manifest(), []) == a_manifest()


@pytest.mark.parametrize(
    ("text", "status", "why"),
    [
        pytest.param("<html>", 200, "did not answer as Prometheus does", id="no JSON"),
        pytest.param('{"data": {"result": 7}}', 200, "did not answer with a list", id="no list"),
        pytest.param("no", 500, "HTTP Error 500", id="an error"),
    ],
)
def test_what_is_no_prometheus_is_said_to_be_none(text, status, why):
    with answering(text, status) as url:
        answer = ask(url, QUERIES)
    assert isinstance(answer, Unread)
    assert why in answer.why


@pytest.mark.parametrize("url", ["file:///etc/passwd", "prometheus:9090", "", "http://"])
def test_only_http_is_asked(url):
    assert isinstance(ask(url, QUERIES), Unread)


def test_a_password_in_the_url_is_sent_and_not_shown():
    seen: list[Any] = []
    with answering("no", 401, seen) as url:
        answer = ask(url.replace("http://", "http://me:s%40cret@") + "/prom/", ("up",))
    assert isinstance(answer, Unread)
    assert "cret" not in str(answer)
    assert seen == [("/prom/api/v1/query?query=up", "Basic bWU6c0BjcmV0")]


def test_a_pod_that_its_agent_knows_by_its_uid_alone_is_found(tmp_path):
    objects = a_cluster() | pod("ads", "stray", spec("2Gi", "--maxmemory", "512mb"), uid="0a1b-2c3d")
    answer = {"data": {"result": [{"metric": {"namespace": "", "pod": "0a1b-2c3d"}, "value": [1, "4321"]}]}}
    with api_server(objects, []) as url, answering(json.dumps(answer)) as metrics:
        named = ["cluster", "--kubeconfig", str(kubeconfig(tmp_path, url)), "--prometheus", metrics]
        result = CliRunner().invoke(cli, [*named, "--format", "json"], prog_name="bgsafe")
    stray = next(each for each in json.loads(result.output)["subjects"] if each["subject"]["name"] == "stray")
    assert stray["estimate"]["write_rate_per_second"] == 4321


def test_a_prometheus_that_is_not_there_costs_its_figures_alone(tmp_path):
    with api_server(a_cluster(), []) as url:
        named = ["cluster", "--kubeconfig", str(kubeconfig(tmp_path, url)), "--prometheus", "http://127.0.0.1:1"]
        result = CliRunner().invoke(cli, [*named, "--format", "json"], prog_name="bgsafe")
    document = json.loads(result.output)
    assert len(document["subjects"]) == 4
    assert document["problems"][0]["where"] == "Prometheus at http://127.0.0.1:1"


LABELS = 'namespace="shop",pod="cache-1",container="redis",server="redis-server *:6379"'
METRICS = f"""\
bgsafe_server_info{{{LABELS},engine="redis",version="7.2",fork_method="fork",allocator="x",write_rate="measured"}} 1
bgsafe_write_rate_per_second{{{LABELS}}} 2345
bgsafe_server_resident_bytes{{{LABELS}}} {1000 * MIB}
bgsafe_fork_cow_bytes{{{LABELS}}} {60 * MIB}
bgsafe_fork_duration_seconds{{{LABELS}}} 12.5
bgsafe_server_info{{{LABELS.replace("cache-1", "cache-2")},write_rate="assumed"}} 1
bgsafe_write_rate_per_second{{{LABELS.replace("cache-1", "cache-2")}}} 99999
"""


@pytest.mark.skipif(prometheus.PROGRAM is None, reason="prometheus is not installed: apt install prometheus")
def test_a_real_prometheus_gives_the_measured_rate_and_not_the_assumed_one(tmp_path: Path) -> None:
    with answering(METRICS) as exporter:
        target = exporter.removeprefix("http://")
        scrape = [{"job_name": "bgsafe", "static_configs": [{"targets": [target]}]}]
        with prometheus.running(tmp_path, scrape, []) as real, api_server(a_cluster(), []) as url:
            until(lambda: real.query(RATE), 30)
            named = ["cluster", "--kubeconfig", str(kubeconfig(tmp_path, url)), "--prometheus", real.url]
            result = CliRunner().invoke(cli, [*named, "--format", "json"], prog_name="bgsafe")
    document = json.loads(result.output)
    assert document["problems"] == []
    cache = next(each for each in document["subjects"] if each["subject"]["name"] == "cache")
    assert cache["estimate"]["write_rate_per_second"] == 2345
    assert cache["estimate"]["sources"]["write_rate_per_second"] == "measured by agents: the highest of 1 pod in 1d"
    assert "watched fork" in cache["estimate"]["sources"]["save_seconds"]
