"""The command: what it refuses, and what it says."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.cli import cli


def refused(*options: str, env: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(cli, ["agent", *options], env={"NODE_NAME": "", "POD_NAMESPACE": "", **(env or {})})
    assert result.exit_code == 2, result.output
    return result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--listen", "nowhere"), "is not an address"),
        (("--listen", "127.0.0.1:99999"), "is not an address"),
        (("--interval", "0.5"), "0.5 is not in the range"),
        (("--root", "/etc"), "/etc/proc is not a directory"),
        (("--policy", "/none.yaml"), "No such file"),
        (("--redis-access", "/none.yaml"), "No such file"),
        (("--web-config", "/none.yaml"), "No such file"),
        (("--pod-names",), "--pod-names needs --node-name"),
        (("--node-facts", "--node-name", "n"), "--node-facts needs --namespace"),
        (("--pod-names", "--node-name", "n"), "not in a cluster"),
        (("--max-servers", "0"), "0 is not in the range"),
    ],
)
def test_a_mistake_is_a_usage_error(options: tuple[str, ...], message: str) -> None:
    assert message in " ".join(refused(*options, env={"KUBERNETES_SERVICE_HOST": ""}).split())


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "in use" in refused("--listen", f"127.0.0.1:{taken.getsockname()[1]}")


def test_pods_can_be_asked_only_by_name(tmp_path: Path) -> None:
    access = tmp_path / "access.yaml"
    access.write_text("pods: [{labels: {app: cache}}]")
    assert "its pods need --pod-names" in refused("--redis-access", str(access))


def test_once_on_a_captured_tree_knows_what_the_machine_knew() -> None:
    tree = Path(__file__).parents[1] / "fixtures/proc_redis_7.0_v1_cgroup"
    result = CliRunner().invoke(cli, ["agent", "--once", "--root", str(tree)])
    assert result.exit_code == 0
    assert 'bgsafe_scan_servers{state="watched"} 1.0' in result.stdout
