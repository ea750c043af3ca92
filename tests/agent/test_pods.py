"""Names of pods, and the node's facts: over the wire, with everything that an API server may answer."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checker.agent.access import Access, ByLabels, Credentials
from checker.agent.naming import PodNaming
from checker.agent.publishing import Identity, Publisher
from checker.agent.troubles import Troubles
from checker.cluster import light
from checker.cluster.api import ClusterError, ForbiddenError
from checker.cluster.light import Api, GoneError, in_cluster
from checker.cluster.pods import PAGE, NodePods, parse
from checker.node_facts import LABEL, MAX_AGE
from checker.node_facts import parse as parse_facts
from tests.agent.kubernetes_api import Script, a_pod, api_server
from tests.build import a_node
from tests.webhook.serving import new_pair

UID = "11111111-2222-3333-4444-55555555555"


@pytest.fixture
def script() -> Script:
    return Script(pods=[a_pod("cache-0", UID + "0"), a_pod("cache-1", UID + "1")])


@pytest.fixture
def api(script: Script, tmp_path: Path) -> Iterator[Api]:
    with api_server(script, tmp_path) as one:
        yield one


def following(api: Api, troubles: list[ClusterError] | None = None) -> NodePods:
    return NodePods(api, "node-1", (troubles if troubles is not None else []).append)


def name(pods: NodePods, uid: str) -> str | None:
    pod = pods.pod(uid)
    return pod.name if pod else None


def test_a_list_is_read_in_pages_of_this_node_alone(script: Script, api: Api) -> None:
    script.pods = [a_pod(f"p-{n}", f"uid-{n}") for n in range(2 * PAGE + 1)]
    pods = following(api)
    assert pods.list() == "100"
    assert name(pods, f"uid-{2 * PAGE}") == f"p-{2 * PAGE}"
    assert name(pods, "elsewhere") is None
    assert pods.pod(None) is None
    assert [query.get("continue") for _, _, query, _ in script.asked] == [None, str(PAGE), str(2 * PAGE)]
    assert {query["fieldSelector"] for _, _, query, _ in script.asked} == {"spec.nodeName=node-1"}
    assert {token for _, _, _, token in script.asked} == {"Bearer secret-1"}


def test_a_watch_brings_what_is_new_changed_and_gone(script: Script, api: Api) -> None:
    pods = following(api)
    pods.list()
    moved = a_pod("cache-1", UID + "1", version="102", status={"podIP": "10.0.0.8", "containerStatuses": []})
    script.watches = [
        [
            {"type": "ADDED", "object": a_pod("cache-2", UID + "2", version="101")},
            {"type": "MODIFIED", "object": moved},
            {"type": "DELETED", "object": a_pod("cache-0", UID + "0", version="103")},
            {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "200"}}},
        ]
    ]
    assert pods.follow("100") == "200", "the next watch begins at the bookmark"
    assert [name(pods, UID + n) for n in "012"] == [None, "cache-1", "cache-2"]
    changed = pods.pod(UID + "1")
    assert changed is not None
    assert changed.ip == "10.0.0.8"
    assert script.asked[-1][2]["resourceVersion"] == "100"


def test_a_version_that_is_too_old_is_answered_by_a_new_list(script: Script, api: Api) -> None:
    script.watches = [[{"type": "ERROR", "object": {"code": 410, "message": "too old"}}]]
    with pytest.raises(GoneError, match="too old"):
        following(api).follow("1")


def test_it_lists_watches_and_lists_again(script: Script, api: Api) -> None:
    """Run as the agent does; the script ends with a version that is too old."""
    stop, troubles = threading.Event(), []  # type: ignore[var-annotated]
    script.watches = [
        [{"type": "ADDED", "object": a_pod("cache-2", UID + "2", version="101")}],
        [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}],
    ]
    pods = following(api, troubles)
    thread = threading.Thread(target=pods.run, args=(stop,), daemon=True)
    thread.start()
    while sum("watch" not in query for _, _, query, _ in script.asked) < 2:
        stop.wait(0.01)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert troubles == []
    watched_from = [query["resourceVersion"] for _, _, query, _ in script.asked if "watch" in query]
    assert watched_from[:2] == ["100", "101"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"not json\n", "not JSON"),
        (b"[]\n", "not an object"),
        (b'{"type": "ERROR", "object": {"code": 500, "message": "etcd is away"}}\n', "etcd is away"),
    ],
)
def test_a_broken_watch_is_an_error_and_not_a_crash(script: Script, api: Api, sent: bytes, message: str) -> None:
    script.watches = [[sent]]
    with pytest.raises(ClusterError, match=message):
        following(api).follow("1")


def test_what_is_larger_than_anything_is_not_read(script: Script, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light, "MAX_ANSWER_BYTES", 100)
    with pytest.raises(ClusterError, match="more than 100 bytes"):
        following(api).list()
    script.watches = [[{"type": "ADDED", "object": a_pod("x", "y" * 200)}]]
    with pytest.raises(ClusterError, match="more than 100 bytes"):
        following(api).follow("1")


@pytest.mark.parametrize(("code", "error"), [(403, ForbiddenError), (401, ForbiddenError), (500, ClusterError)])
def test_a_refusal_says_what_would_help(script: Script, api: Api, code: int, error: type[ClusterError]) -> None:
    script.refuse = code
    with pytest.raises(error, match=f"HTTP {code}.*the script says no") as raised:
        following(api).list()
    assert ("give the service account" in str(raised.value)) is (error is ForbiddenError)


def test_an_api_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    with pytest.raises(ClusterError, match="ConnectionRefused"):
        following(Api("127.0.0.1", 1, tmp_path / "token", None)).list()


def test_a_new_token_is_used_at_once(script: Script, api: Api) -> None:
    pods = following(api)
    pods.list()
    api.token_file.write_text("secret-2")
    pods.list()
    assert [token for _, _, _, token in script.asked] == ["Bearer secret-1", "Bearer secret-2"]


def test_tls_with_the_clusters_own_authority(script: Script, tmp_path: Path) -> None:
    (authority, serving), (stranger, _) = new_pair(), new_pair()
    files = {"crt": serving.certificate, "key": serving.key, "ca": authority.certificate, "other": stranger.certificate}
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    with api_server(script, tmp_path, certificate=tmp_path / "crt", key=tmp_path / "key", ca=tmp_path / "ca") as api:
        assert following(api).list() == "100"
        with pytest.raises(ClusterError, match="CERTIFICATE_VERIFY_FAILED"):
            following(replace(api, ca_file=tmp_path / "other")).list()


@pytest.mark.parametrize(
    "environment",
    [{}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "https"}],
    ids=["no cluster", "no port"],
)
def test_outside_a_pod_there_is_no_api_server(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="not in a cluster"):
        in_cluster(environment, tmp_path)


def test_inside_a_pod_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert in_cluster(environment, tmp_path) == Api("10.0.0.1", 443, tmp_path / "token", tmp_path / "ca.crt")


@pytest.mark.parametrize(
    ("item", "uids", "containers"),
    [
        pytest.param(a_pod("a", "u1"), {"u1"}, {"c" * 63 + "1": "redis"}, id="an ordinary pod"),
        pytest.param(
            {"metadata": {"uid": "mirror", "annotations": {"kubernetes.io/config.hash": "hash"}}},
            {"mirror", "hash"},
            {},
            id="a static pod has another UID in its cgroup",
        ),
        pytest.param({"status": {"containerStatuses": [{"name": "x"}]}}, set(), {}, id="a container without an id yet"),
        pytest.param({}, set(), {}, id="nothing in it"),
    ],
)
def test_what_is_kept_of_a_pod(item: dict[str, Any], uids: set[str], containers: dict[str, str]) -> None:
    pod = parse(item)
    assert (set(pod.uids), dict(pod.containers)) == (uids, containers)


# --- names in labels -------------------------------------------------------------------------------------------------


def naming(api: Api | None, access: Access | None = None) -> PodNaming:
    return PodNaming(api, "node-1", access or Access(), Troubles())


def test_a_container_has_its_name_as_soon_as_it_is_known(api: Api) -> None:
    one = naming(api)
    one.list()
    found = one.names(UID + "0", "c" * 63 + "0")
    assert found is not None
    assert (found.namespace, found.pod, found.container) == ("shop", "cache-0", "redis")
    new = one.names(UID + "0", "d" * 64)
    assert new is not None
    assert new.container == "d" * 64
    assert one.names("elsewhere", None) is None


def test_without_the_api_server_there_are_no_names() -> None:
    one = naming(None)
    one.list()
    assert one.names(UID + "0", None) is None


def test_a_refusal_is_counted(script: Script, api: Api) -> None:
    script.refuse = 403
    one = naming(api)
    one.list()
    assert one.troubles.counts() == Counter({"kubernetes": 1})


# --- facts for the webhook -------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ME = Identity(node_name="node-1", namespace="bgsafe", pod_name="agent-x", pod_uid="u-1")
MAP = "/api/v1/namespaces/bgsafe/configmaps/bgsafe-node-node-1"


def test_facts_are_written_so_that_the_webhook_can_read_them(script: Script, api: Api) -> None:
    publisher = Publisher(api, ME, Troubles())
    assert publisher.publish(a_node(), NOW)
    held = script.config_maps[MAP]
    assert held["metadata"]["labels"][LABEL] == "v1"
    owner = held["metadata"]["ownerReferences"]
    assert owner == [{"apiVersion": "v1", "kind": "Pod", "name": "agent-x", "uid": "u-1"}]
    facts = parse_facts(held["data"])
    assert facts.node == a_node()  # type: ignore[union-attr]


def test_the_next_agent_of_the_node_takes_the_map_over(script: Script, api: Api) -> None:
    Publisher(api, ME, Troubles()).publish(a_node(), NOW)
    Publisher(api, replace(ME, pod_name="agent-y", pod_uid="u-2"), Troubles()).publish(a_node(), NOW)
    (owner,) = script.config_maps[MAP]["metadata"]["ownerReferences"]
    assert owner["uid"] == "u-2"


def test_it_writes_what_changed_and_what_grows_old(script: Script, api: Api) -> None:
    publisher = Publisher(api, ME, Troubles())

    def writes(node: Any, at: datetime) -> int:
        before = len(script.asked)
        assert publisher.publish(node, at)
        return len(script.asked) - before

    assert writes(a_node(), NOW) == 2  # a patch that finds nothing, and the creation
    assert writes(a_node(), NOW + timedelta(seconds=15)) == 0
    assert writes(a_node(overcommit_memory=2), NOW + timedelta(seconds=30)) == 1
    assert writes(a_node(overcommit_memory=2), NOW + MAX_AGE) == 1
    assert writes(a_node(overcommit_memory=2), NOW - timedelta(days=1)) == 1, "a clock that was set back"
    assert script.content_types[-1] == "application/merge-patch+json"


def test_a_write_that_fails_is_counted_and_tried_again(script: Script, api: Api) -> None:
    publisher, script.refuse = Publisher(api, ME, Troubles()), 403
    assert not publisher.publish(a_node(), NOW)
    assert publisher.troubles.counts() == Counter({"node_facts": 1})
    assert publisher.written_at is None
    script.refuse = None
    assert publisher.publish(a_node(), NOW)
    assert publisher.written_at is not None


def test_two_that_create_at_once_both_succeed(script: Script, api: Api) -> None:
    """The map appears between our patch, which found none, and our creation."""
    publisher = Publisher(api, ME, Troubles())
    plain = Api.patch

    def late(self: Api, *arguments: Any) -> bool:
        found = plain(self, *arguments)
        script.config_maps.setdefault(MAP, {"metadata": {}, "data": {}})
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Api, "patch", late)
        assert publisher.publish(a_node(), NOW)
    assert json.loads(script.config_maps[MAP]["data"]["facts.json"])["name"] == "node-1"


def test_servers_of_pods_are_asked_where_they_are(api: Api) -> None:
    from tests.agent.test_metrics import seen, view
    from tests.build import a_cgroup, a_server

    entry = ByLabels(
        labels={"app": "cache-0"}, namespace="*", port=None, tls=False, ca_file=None, credentials=Credentials("me")
    )
    one = naming(api, Access(pods=(entry,)))
    one.list()
    inside = a_server(cgroup=a_cgroup(pod_uid=UID + "0"))
    scan = view(seen(inside, key=(1, 1)), seen(a_server(), key=(2, 2))).scan
    assert scan is not None
    assert one.urls(scan) == {(1, 1): ("redis://10.0.0.7:6379", Credentials("me"))}
