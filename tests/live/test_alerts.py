"""The whole way: a real Redis written to faster than its limit survives, an agent, a Prometheus, and a page in time.

The story is told once; the tests ask what Prometheus knew of it.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import isnan
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from checker.lab import cgroup, find_servers
from checker.lab.cgroup import MemoryCgroup
from checker.lab.load import Workload, fill, writing
from checker.lab.resp import Connection
from checker.lab.server import RunningServer, running_server
from checker.lab.servers import NO_SERVER
from checker.units import MIB
from tests.live.test_webhook import COMMAND, ask, review
from tests.monitoring import prometheus
from tests.monitoring.files import ALERTS, DASHBOARD, RECORDED, RULE_FILES
from tests.monitoring.promtool import needs_promtool, promtool
from tests.webhook.serving import free_port, mount, new_pair, started, until

REFUSAL = cgroup.refusal()

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not find_servers(), reason=str(NO_SERVER)),
    pytest.mark.skipif(REFUSAL is not None, reason=f"no memory cgroup: {REFUSAL}"),
    pytest.mark.skipif(prometheus.PROGRAM is None, reason="prometheus: apt install prometheus"),
]

SMALL = Workload(keys=20_000, value_bytes=100, write_rate_per_second=500)
DOOMED = Workload(keys=150_000, value_bytes=100, write_rate_per_second=500)
FLOOD = Workload(keys=150_000, value_bytes=100, write_rate_per_second=15_000)

ROOM_BYTES = 16 * MIB
"""What the limit leaves: a third of what the flood makes a save copy, and many times what 500 writes/s do."""

SAVE_SECONDS = 1.5
"""How long saves are made to last: long enough for the agent to see them, and for the flood to reach every page."""

SLEEP_SECONDS = 60e-6
"""What the server's shortest sleep takes (its timer slack is 50 µs)."""


def stretch(connection: Connection, workload: Workload) -> None:
    """Let a save sleep between keys (redis.conf, rdb-key-save-delay: below 0 it is keys for each sleep)."""
    keys_for_each = round(workload.keys * SLEEP_SECONDS / SAVE_SECONDS)
    connection.command("CONFIG", "SET", "rdb-key-save-delay", str(-keys_for_each if keys_for_each > 1 else 1))


@dataclass
class Story:
    """What happened, and the Prometheus that saw it."""

    prometheus: prometheus.Prometheus
    doomed: str = ""  # the selector of the server that is killed
    steady: str = ""  # the directory of its neighbour, which is not
    quiet_alerts: list[Any] = field(default_factory=list)  # while it was written to slowly
    warning: dict[str, Any] = field(default_factory=dict)  # the alert that fired before the save
    forks_before: float | None = None  # of the server, when it fired
    exit_status: int | None = None
    pages: list[str] = field(default_factory=list)  # /metrics of agent and webhook

    def selected(self, metric: str, more: str = "") -> str:
        return f"{metric}{{{self.doomed}{more}}}"


def limited(server: RunningServer, room_bytes: int) -> None:
    assert isinstance(server.cgroup, MemoryCgroup)
    server.cgroup.set_limit(server.cgroup.anon() + room_bytes)


def prepared(server: RunningServer, workload: Workload, room_bytes: int) -> None:
    """Fill it, bound its data, limit its memory."""
    with server.connect() as connection:
        fill(connection, workload, 1, lambda _step: None)
        connection.command("MEMORY", "PURGE")
        used = int(connection.info("memory")["used_memory"])
        connection.command("CONFIG", "SET", "maxmemory", str(used + 4 * MIB))
        stretch(connection, workload)
    limited(server, room_bytes)


def selector(server: RunningServer) -> str:
    assert server.directory is not None
    return f'server=~".*{server.directory.name}.*"'


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    directory = tmp_path_factory.mktemp("story")
    binary = find_servers()[0]
    with ExitStack() as stack:
        steady, doomed = (stack.enter_context(running_server(binary)) for _ in range(2))
        prepared(steady, SMALL, 64 * MIB)
        prepared(doomed, DOOMED, ROOM_BYTES)

        authority, pair = new_pair()
        mount(directory / "tls", pair, 1, **{"ca.crt": authority.certificate})
        port = free_port()
        files = ["--tls-cert", str(directory / "tls/tls.crt"), "--tls-key", str(directory / "tls/tls.key")]
        command = [*COMMAND, "--listen", f"127.0.0.1:{port}", *files]
        webhook = stack.enter_context(started(command, port, authority, directory / "webhook.log"))

        access = directory / "access.yaml"
        servers = [{"url": f"unix://{one.socket_path}"} for one in (steady, doomed)]
        access.write_text(json.dumps({"apiVersion": "bgsafe.io/v1", "kind": "RedisAccess", "servers": servers}))
        agent_port = free_port()
        command = ["-m", "checker.cli", "agent", "--listen", f"127.0.0.1:{agent_port}", "--interval", "1"]
        command += ["--redis-access", str(access)]
        stack.enter_context(started(command, agent_port, authority, directory / "agent.log", until_ready=False))

        scrapes: list[dict[str, Any]] = [
            {"job_name": "bgsafe-agent", "honor_labels": True},
            {"job_name": "bgsafe-webhook", "scheme": "https"},
        ]
        scrapes[0]["static_configs"] = [{"targets": [f"127.0.0.1:{agent_port}"]}]
        scrapes[1]["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
        scrapes[1]["tls_config"] = {"ca_file": str(directory / "tls/ca.crt"), "server_name": "localhost"}
        asked = stack.enter_context(prometheus.running(directory, scrapes, RULE_FILES))
        told = Story(asked, selector(doomed), str(steady.directory))

        def read_pages() -> None:
            with urlopen(f"http://127.0.0.1:{agent_port}/metrics", timeout=10) as answer:
                told.pages.append(answer.read().decode())

        with writing(steady.socket_path, SMALL, 1):
            with writing(doomed.socket_path, DOOMED, 1):
                until(lambda: (asked.value(told.selected("bgsafe_write_rate_per_second")) or 0) > 100, 20)
                ask(webhook, review("1100Mi"))
                with steady.connect() as connection:
                    connection.command("BGSAVE")
                saved = f'sum(bgsafe_forks_total{{{selector(steady)},result="saved"}})'
                until(lambda: asked.value(saved) == 1, 20)
                ask(webhook, review("4Gi"))
                read_pages()
                told.quiet_alerts = [
                    one
                    for one in asked.get("alerts")["alerts"]
                    if str(doomed.directory) in one["labels"].get("server", "")
                    and one["labels"]["severity"] == "critical"
                ]
            with writing(doomed.socket_path, FLOOD, 2), doomed.connect() as connection:

                def warned() -> bool:
                    for one in asked.firing("BgsafeWriteRateOverBudget"):
                        if str(doomed.directory) in one["labels"]["server"]:
                            told.warning = one
                    return bool(told.warning)

                until(warned, 20)
                told.forks_before = asked.value(f"sum({told.selected('bgsafe_forks_total')})")
                connection.command("BGSAVE")
                told.exit_status = doomed.exit_status(20)
        killed = told.selected("bgsafe_forks_total", ',result="killed"')
        until(lambda: asked.value(f"sum({killed})") == 1, 20)
        until(lambda: any(str(doomed.directory) in one["labels"]["server"] for one in asked.firing("BgsafeSaveKilled")))
        read_pages()
        client = webhook.http()
        client.request("GET", "/metrics")
        told.pages.append(client.getresponse().read().decode())
        client.close()
        yield told


def test_nobody_is_paged_while_the_writes_fit(story: Story) -> None:
    assert story.quiet_alerts == []


def test_the_alert_fires_before_the_save_and_says_by_how_much(story: Story) -> None:
    assert story.forks_before == 0
    says = story.warning["annotations"]["description"]
    numbers = re.fullmatch(
        r"([\d.]+k?) writes/s against a budget of ([\d.]+k?): a save that starts now is expected to peak at "
        r"([\d.]+)MiB, the limit is ([\d.]+)MiB\. .*",
        says,
    )
    assert numbers, says
    rate, budget = (float(word.rstrip("k")) * (1000 if word.endswith("k") else 1) for word in numbers.groups()[:2])
    assert DOOMED.write_rate_per_second < budget < rate < 1.5 * FLOOD.write_rate_per_second
    assert float(numbers[3]) > float(numbers[4])


def test_the_save_then_kills_the_server_and_the_agent_counts_it(story: Story) -> None:
    assert story.exit_status == -signal.SIGKILL
    assert story.prometheus.value(f"sum({story.selected('bgsafe_forks_total')})") == 1


def test_neither_the_neighbour_nor_agent_and_webhook_have_an_alert(story: Story) -> None:
    alerts = story.prometheus.get("alerts")["alerts"]
    about = [(one["labels"]["alertname"], one["labels"].get("server", story.steady)) for one in alerts]
    assert about
    assert [alert for alert, server in about if story.steady in server] == []


@needs_promtool
def test_promtool_takes_the_pages(story: Story) -> None:
    for page in story.pages:
        promtool("check", "metrics", stdin=page)


def test_no_rule_fails_to_evaluate(story: Story) -> None:
    groups = story.prometheus.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == sum(map(len, ALERTS.values())) + len(RECORDED)
    assert [rule["name"] for rule in rules if rule["health"] != "ok" or rule.get("lastError")] == []


def queries() -> dict[str, str]:
    """Every query of every panel, with "All" chosen and a rate interval."""
    return {
        f"{panel['title']} {target['refId']}": re.sub(r"\$(cluster|namespace|pod)\b", ".*", target["expr"]).replace(
            "$__rate_interval", "1m"
        )
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel.get("targets", ())
    }


@pytest.mark.parametrize("expr", list(queries().values()), ids=queries())
def test_every_panel_shows_something(story: Story, expr: str) -> None:
    values = [float(series["value"][1]) for series in story.prometheus.query(expr)]
    assert [value for value in values if not isnan(value)]


GIVEN_BY_PROMETHEUS = {"job", "instance", "cluster", "node", "le"}


def test_every_metric_and_label_that_is_asked_for_is_exposed(story: Story) -> None:
    """In expressions, in what alerts look up for their text, and in the dashboard's queries and variables."""
    exposed: dict[str, set[str]] = {}
    for page in story.pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                exposed.setdefault(sample.name, set()).update(sample.labels)
    every_label = GIVEN_BY_PROMETHEUS.union(*exposed.values())
    exposed |= dict.fromkeys([*RECORDED, "up"], every_label)

    alerts = [rule for rules in ALERTS.values() for rule in rules]
    expressions = [*RECORDED.values(), *queries().values(), *(rule["expr"] for rule in alerts)]
    variables = [one["query"] for one in json.loads(DASHBOARD.read_text())["templating"]["list"]]
    for text in expressions:
        assert METRIC.search(text), text
    for text in [*expressions, *variables, *(text for rule in alerts for text in rule["annotations"].values())]:
        for metric, selection in METRIC.findall(text):
            assert metric in exposed, f"{metric} in {text}"
            labels = set(re.findall(r"(\w+)(?=!?[=~]+[\\'\"])", selection))
            assert labels <= exposed[metric] | GIVEN_BY_PROMETHEUS, f"{metric} in {text}"
        for grouping in re.findall(r"\b(?:on|ignoring|by|without) \(([\w, ]+)\)", text):
            assert set(grouping.split(", ")) <= every_label, text
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= every_label, text


METRIC = re.compile(r"\b((?:\w+:)?bgsafe_\w+(?::\w+)?|up)\b(?!-)(\{[^}]*\}?)?")
