"""What a running webhook follows: its own certificates, and its policy file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from checker.cluster.api import ClusterError
from checker.cluster.certificates import Store
from checker.facts import Unread
from checker.policy_file import PolicyError
from checker.watched_policy import WatchedPolicy
from tests.webhook.clusters import MemoryCluster
from webhook.certs import Place
from webhook.keeper import LOOK_SECONDS, RETRY_SECONDS, Keeper
from webhook.tls import Serving

PLACE = Place(namespace="ops", secret="tls", configuration="bgsafe", names=("bgsafe.ops.svc",))


class Flaky:
    """Connects, and then answers or refuses as it is told."""

    def __init__(self) -> None:
        self.refusing = False
        self.cluster = MemoryCluster(before=self._before)

    def _before(self, call: str) -> None:
        if self.refusing:
            raise ClusterError(f"{call}: HTTP 503")

    def connect(self) -> Store:
        return self.cluster


def test_a_certificate_is_kept_while_the_api_server_fails(capsys: pytest.CaptureFixture[str]) -> None:
    flaky = Flaky()
    keeper = Keeper(flaky.connect, PLACE, b"client CA")
    assert isinstance(keeper.read(), Unread)
    keeper.start()
    first = keeper.read()
    assert isinstance(first, Serving)
    assert first.client_ca == b"client CA"
    flaky.refusing = True
    assert keeper.look() == RETRY_SECONDS
    assert keeper.read() == first
    assert "HTTP 503" in capsys.readouterr().err
    flaky.refusing = False
    assert keeper.look() == LOOK_SECONDS


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(mode: str) -> Path:
        path = tmp_path / "policy.yaml"
        path.write_text(f"apiVersion: bgsafe.io/v1\nkind: Policy\nmode: {mode}\n")
        return path

    return write


def test_a_bad_new_policy_is_counted_once_and_the_old_one_stays(file: Callable[[str], Path]) -> None:
    rejected: list[int] = []
    policy = WatchedPolicy(file("enforce"), lambda: rejected.append(1), every_seconds=0)
    file("nonsense")
    assert [policy().mode for _ in range(3)] == ["enforce"] * 3
    assert rejected == [1]
    file("audit")
    assert policy().mode == "audit"


def test_a_policy_that_is_gone_stays_in_force(file: Callable[[str], Path]) -> None:
    rejected: list[int] = []
    policy = WatchedPolicy(path := file("audit"), lambda: rejected.append(1), every_seconds=0)
    path.unlink()
    assert policy().mode == "audit"
    assert rejected == [1]


def test_a_bad_first_policy_is_an_error(file: Callable[[str], Path]) -> None:
    with pytest.raises(PolicyError, match="mode"):
        WatchedPolicy(file("nonsense"), lambda: None)
