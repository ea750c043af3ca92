"""`bgsafe cluster` over HTTP: what it finds, what it cannot read, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from checker.cli import cli
from checker.report import FORMATS
from tests.cluster.objects import made_by, pod, stored, unlimited, web, workload
from tests.cluster.serving import Answer, Fault, Served, serving
from tests.survey.conftest import Scan
from tests.webhook.clusters import kubeconfig
from tests.webhook.making import RISKY, SAFE, container, unknown_container

REPOSITORY = Path(__file__).parents[2]
SCHEMA = json.loads((REPOSITORY / "docs/schema/v1.json").read_text(encoding="utf-8"))

ALL_WELL = workload("StatefulSet", "cache", container(SAFE))


def fleet() -> Served:
    """One of everything."""
    return Served().add(
        workload("StatefulSet", "orders"),
        *(pod(f"orders-{number}", ownerReferences=made_by("StatefulSet", "orders")) for number in range(6)),
        workload("Deployment", "sessions", container(RISKY), namespace="web"),
        workload("DaemonSet", "local", container(SAFE), namespace="edge"),
        workload("CronJob", "backup", {"name": "backup", "image": "redis:7.2", "command": ["redis-cli", "BGSAVE"]}),
        workload("StatefulSet", "mystery", unknown_container()),
        workload("Deployment", "shop", {"name": "shop", "image": "example/shop:3"}),
        pod("solo", container(SAFE)),
        web("web-1"),
    )


def refusing(*paths: str, status: int = 403) -> Fault:
    return lambda path, _query: Answer(status, "Forbidden") if path.endswith(paths) else None


def test_each_workload_is_judged_once_the_worst_first(scan: Scan) -> None:
    said = scan(fleet())
    Draft202012Validator(SCHEMA).validate(said.report)
    assert list(said.verdicts.items()) == [
        ("StatefulSet/shop/orders/redis", "unsafe"),
        ("StatefulSet/shop/mystery/redis", "unknown"),
        ("Deployment/web/sessions/redis", "risky"),
        ("DaemonSet/edge/local/redis", "safe"),
        ("Pod/shop/solo/redis", "safe"),
    ]
    assert said.report["summary"]["not_redis"] == 1
    subject = said.report["subjects"][0]["subject"]
    assert (subject["source"], subject["file"], subject["line"]) == ("cluster", None, None)
    assert (said.code, said.problems) == (1, [])


@pytest.mark.parametrize("name", ["text", "github", "sarif", "junit", "html"])
def test_every_format_of_lint_has_it(name: str, scan: Scan) -> None:
    said = scan(fleet(), f"--format={name}")
    assert "StatefulSet/shop/orders/redis" in said.output
    assert "the cluster:1" not in said.output
    assert set(FORMATS) >= {"text", "json", "github", "sarif", "junit", "html"}


def test_text_is_short_and_names_no_file(scan: Scan) -> None:
    lines = scan(fleet(), "--format=text", "-q").output.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [
        ["StatefulSet/shop/orders/redis", "UNSAFE"],
        ["StatefulSet/shop/mystery/redis", "UNKNOWN"],
        ["Deployment/web/sessions/redis", "RISKY"],
        ["DaemonSet/edge/local/redis", "SAFE"],
        ["Pod/shop/solo/redis", "SAFE"],
    ]


@pytest.mark.parametrize(
    ("options", "namespaces"),
    [
        pytest.param((), {"shop", "web", "edge"}, id="all"),
        pytest.param(("-A",), {"shop", "web", "edge"}, id="all, said so"),
        pytest.param(("-n", "web"), {"web"}, id="one"),
        pytest.param(("-n", "web", "--namespace=edge"), {"web", "edge"}, id="two"),
    ],
)
def test_namespaces_are_those_that_are_wanted(options: tuple[str, ...], namespaces: set[str], scan: Scan) -> None:
    served = fleet()
    said = scan(served, *options)
    assert {name.split("/")[1] for name in said.verdicts} == namespaces
    if options and options[0] == "-n":
        assert not [
            path for path in served.paths() if path.endswith(("/v1/pods", "v1/configmaps")) and "/n" not in path
        ]


def test_a_selector_goes_to_the_api_server(scan: Scan) -> None:
    served = Served().add(
        workload("StatefulSet", "one", labels={"team": "a"}), workload("StatefulSet", "two", labels={"team": "b"})
    )
    assert list(scan(served, "-l", "team=a").verdicts) == ["StatefulSet/shop/one/redis"]


@pytest.mark.parametrize(
    ("served", "options", "code"),
    [
        pytest.param(Served().add(ALL_WELL), (), 0, id="all well"),
        pytest.param(fleet(), (), 1, id="unsafe"),
        pytest.param(fleet(), ("--fail-on=never",), 0, id="unsafe, and nobody minds"),
        pytest.param(Served().add(ALL_WELL), ("--fail-on=risky",), 0, id="all well, strictly"),
        pytest.param(Served(), (), 3, id="no server"),
        pytest.param(Served(), ("--allow-none",), 0, id="no server, and none expected"),
        pytest.param(Served().add(ALL_WELL), ("-A", "-n", "shop"), 2, id="all and some"),
        pytest.param(Served().add(ALL_WELL), ("--context=other",), 2, id="no such context"),
        pytest.param(Served().add(ALL_WELL), ("--prometheus=ftp://x",), 2, id="no URL"),
        pytest.param(Served().add(ALL_WELL), ("--prometheus-ca-file=x",), 2, id="an option alone"),
    ],
)
def test_exit_codes(served: Served, options: tuple[str, ...], code: int, scan: Scan) -> None:
    said = scan(served, *options)
    assert said.code == code, said.errors


def test_the_text_is_as_reviewed(scan: Scan, golden: Callable[[str, str], None]) -> None:
    served = fleet()
    served.fault = refusing("daemonsets")
    golden("cluster.txt", scan(served, "--format=text").output)


def test_a_policy_exempts(scan: Scan, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: bgsafe.io/v1\nkind: Policy\nexempt: [{namespace: shop}]\n", encoding="utf-8")
    said = scan(fleet(), f"--policy={policy}")
    assert said.report["exempt"] == 3
    assert {name.split("/")[1] for name in said.verdicts} == {"web", "edge"}


def test_an_engine_that_the_policy_names_is_found(scan: Scan, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    engines = "engines: [{image: 'registry.example/mycache*', engine: redis}]"
    policy.write_text(f"apiVersion: bgsafe.io/v1\nkind: Policy\n{engines}\n", encoding="utf-8")
    mine = container(image="registry.example/mycache:1")
    served = Served().add(workload("StatefulSet", "mine", {**mine, "name": "main"}))
    assert list(scan(served, f"--policy={policy}").verdicts) == ["StatefulSet/shop/mine/main"]
    assert scan(served).verdicts == {}


def test_a_pod_has_the_limit_that_it_was_started_with(scan: Scan) -> None:
    """A LimitRange that is younger than it limits the next one."""
    limits = {"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]}
    served = Served().add(pod("solo", unlimited()), stored("LimitRange", "defaults", spec=limits))
    assert scan(served).report["subjects"][0]["estimate"]["limit_bytes"] is None


# --- what may not be read ---------------------------------------------------------------------------------------------


def test_a_kind_that_may_not_be_read_is_a_problem_and_hides_nothing_else(scan: Scan) -> None:
    served = fleet()
    served.fault = refusing("deployments")
    said = scan(served)
    assert said.problems == ["deployments.apps of the cluster: list deployments.apps: HTTP 403 Forbidden"]
    assert len(said.verdicts) == 4
    assert said.code == 1  # the finding goes before the gap


def test_without_findings_a_gap_is_an_exit_code_of_its_own(scan: Scan) -> None:
    served = Served().add(ALL_WELL)
    served.fault = refusing("deployments")
    assert scan(served).code == 2


def test_a_namespace_that_may_not_be_read_is_named(scan: Scan) -> None:
    served = fleet()
    served.fault = refusing("/namespaces/web/deployments")
    said = scan(served, "-n", "web", "-n", "edge")
    assert [problem.partition(":")[0] for problem in said.problems] == ["deployments.apps of namespace web"]
    assert list(said.verdicts) == ["DaemonSet/edge/local/redis"]


def test_where_workloads_may_not_be_read_their_pods_speak_for_them(scan: Scan) -> None:
    served = fleet()
    served.fault = refusing("statefulsets")
    assert scan(served).verdicts["StatefulSet/shop/orders/redis"] == "unsafe"


def test_where_pods_may_not_be_read_their_workloads_are_judged(scan: Scan) -> None:
    served = fleet()
    served.fault = refusing("pods")
    said = scan(served)
    assert "Pod/shop/solo/redis" not in said.verdicts
    assert len(said.verdicts) == 4
    assert said.problems == ["pods of the cluster: list pods: HTTP 403 Forbidden"]


def test_a_configuration_that_may_not_be_read_makes_nothing_safe(scan: Scan) -> None:
    served = Served().add(
        workload("StatefulSet", "cache", unknown_container()),
        stored("ConfigMap", "redis-conf", data={"redis.conf": "maxmemory 100mb\n"}),
    )
    assert scan(served).verdicts == {"StatefulSet/shop/cache/redis": "safe"}
    served.fault = refusing("configmaps", "redis-conf")
    said = scan(served)
    assert said.verdicts == {"StatefulSet/shop/cache/redis": "unknown"}
    assert [each["where"] for each in said.report["subjects"][0]["unread"]] == ["ConfigMaps of namespace shop"]


def test_limit_ranges_that_may_not_be_read_make_no_limit_unknown(scan: Scan) -> None:
    limits = {"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]}
    served = Served().add(
        workload("StatefulSet", "cache", unlimited()),
        workload("StatefulSet", "other", container(SAFE)),
        stored("LimitRange", "defaults", spec=limits),
    )
    assert scan(served).report["subjects"][0]["estimate"]["sources"]["limit_bytes"] == "LimitRange defaults"
    served.fault = refusing("limitranges")
    said = scan(served)
    assert said.verdicts == {"StatefulSet/shop/cache/redis": "unknown", "StatefulSet/shop/other/redis": "safe"}


def test_with_nothing_read_at_all_nothing_was_checked(scan: Scan) -> None:
    served = fleet()
    served.fault = lambda _path, _query: Answer(403, "Forbidden")
    said = scan(served, "--allow-none")
    assert (said.code, said.verdicts) == (3, {})
    assert any("HTTP 403 Forbidden" in problem for problem in said.problems)


def test_an_api_server_that_is_not_there_is_said_to_be_unreachable(tmp_path: Path) -> None:
    with serving(Served()) as url:
        config = kubeconfig(tmp_path, url)
    result = CliRunner().invoke(cli, ["cluster", f"--kubeconfig={config}"])
    assert result.exit_code == 3
    assert result.stdout.startswith("? API server: read the API server's version: ")
    assert "Connection refused" in result.stdout


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "kubernetes.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'kubernetes'\", name='kubernetes')"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from checker.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "cluster"], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 2
    assert "pip install 'bgsafe[cluster]'" in done.stderr


def test_it_is_polite(scan: Scan) -> None:
    served = fleet()
    scan(served)
    assert served.most_at_once <= 3
    assert len(served.asked) < 20


def test_names_of_others_move_no_terminal(scan: Scan) -> None:
    hostile = "\x1b[2Jcache\n::error::x"
    served = Served().add(workload("StatefulSet", hostile, container(name="\x1b]0;x\x07")))
    said = scan(served, "--format=text")
    assert not any(sign in said.output for sign in ("\x1b", "\x07", "\n::error"))
    assert not scan(served, "--format=github").output.startswith("::error::x")


def test_secrets_are_never_asked_for(scan: Scan) -> None:
    volumes = {"volumeMounts": [{"name": "config", "mountPath": "/etc/redis"}]}
    value = workload("StatefulSet", "cache", container(None, args=["/etc/redis/redis.conf"], **volumes))
    value["spec"]["template"]["spec"]["volumes"] = [{"name": "config", "secret": {"secretName": "redis-conf"}}]
    served = Served().add(value)
    assert scan(served).verdicts == {"StatefulSet/shop/cache/redis": "unknown"}
    assert not [path for path in served.paths() if "secret" in path]
