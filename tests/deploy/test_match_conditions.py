"""The conditions under which an object leaves the API server: none may hide a server from the webhook."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.manifests import extract, parsed, pod_spec
from checker.manifests.documents import load
from checker.manifests.files import Sources
from checker.manifests.operators import is_operated
from checker.manifests.pods import ENGINE_NAMES
from tests.deploy.conditions import leaves_the_api_server
from tests.deploy.rendering import Object, kustomize, named

Ask = Callable[[Mapping[str, Any]], bool]


def webhook(name: str) -> Object:
    (found,) = (
        each
        for each in named(kustomize(), "ValidatingWebhookConfiguration", "bgsafe")["webhooks"]
        if each["name"] == name
    )
    return found


@pytest.fixture(scope="module")
def matches() -> Ask:
    return leaves_the_api_server(webhook("workloads.bgsafe.io"))


def pod(*containers: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": list(containers), **spec},
    }


def container(image: str = "example/app:1", **fields: Any) -> Object:
    return {"name": "c", "image": image, **fields}


def of(kind: str, template: Object) -> Object:
    """The template of a pod, in an object of this kind."""
    template = {key: value for key, value in template.items() if key in ("metadata", "spec")}
    if kind == "PodTemplate":
        return {"kind": kind, "metadata": {"name": "o"}, "template": template}
    spec: Object = {"template": template}
    if kind == "CronJob":
        spec = {"schedule": "@daily", "jobTemplate": {"spec": spec}}
    return {"kind": kind, "metadata": {"name": "o"}, "spec": spec}


KINDS = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "PodTemplate",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
]

LOOKED_AT = [
    *(pytest.param(pod(container(f"registry.example/{name}:1")), id=f"image of {name}") for name in ENGINE_NAMES),
    pytest.param(pod(container("registry.example/Team/REDIS-cache:1")), id="image in capitals"),
    pytest.param(pod(container("bitnami/redis@sha256:0123")), id="image with a digest"),
    pytest.param(pod(container(command=["/usr/bin/redis-server"])), id="command"),
    pytest.param(pod(container(command=["sh", "-c"], args=["exec valkey-server --port 6379"])), id="script in args"),
    pytest.param(pod(container(command=["sh", "-c", "exec KeyDB-Server"])), id="script in capitals"),
    pytest.param(pod(container("val\u212aey:9")), id="a letter that is a k in lower case"),
    pytest.param(pod(container(), container("redis:7")), id="second container"),
    pytest.param(pod(container(), initContainers=[container("redis:7", restartPolicy="Always")]), id="sidecar"),
    pytest.param({**pod(container()), "metadata": {"annotations": {"bgsafe.io/engine": "redis"}}}, id="annotation"),
    pytest.param(pod(*[container()] * 31), id="more containers than are searched"),
    pytest.param(pod(container(args=["x"] * 200)), id="more arguments than are searched"),
    pytest.param(pod(container(args=["x" * 10_001])), id="a longer script than is searched"),
]

LEFT_ALONE = [
    pytest.param(pod(container()), id="another image"),
    pytest.param(pod({"name": "c"}), id="no image, no command"),
    pytest.param(pod(container(args=[])), id="no arguments"),
    pytest.param(
        pod(container(env=[{"name": "REDIS_URL", "value": "redis://cache:6379"}])), id="a client by its variables"
    ),
    pytest.param(
        {**pod(container()), "metadata": {"name": "redis", "labels": {"app": "redis"}}}, id="names and labels"
    ),
    pytest.param(
        {**pod(container()), "metadata": {"annotations": {"example.com/bgsafe.io/": "x"}}}, id="another annotation"
    ),
    pytest.param(pod(container(args=["x"] * 199)), id="as many arguments as are searched"),
    pytest.param(pod(*[container()] * 30), id="as many containers as are searched"),
    pytest.param(pod(container("a", args=["x" * 9_999])), id="as long a script as is searched"),
    pytest.param(
        pod(container(), ephemeralContainers=[container("redis:7", command=["redis-cli"])]), id="ephemeral container"
    ),
    pytest.param({"kind": "Pod", "metadata": {}}, id="nothing in it"),
]


@pytest.mark.parametrize("value", LOOKED_AT)
def test_what_may_have_a_server_in_it_leaves_the_api_server(matches: Ask, value: Object) -> None:
    assert matches(value)
    assert [kind for kind in KINDS if not matches(of(kind, value))] == []


@pytest.mark.parametrize("value", LEFT_ALONE)
def test_other_pods_never_leave_the_api_server(matches: Ask, value: Object) -> None:
    assert not matches(value)
    assert [kind for kind in KINDS if matches(of(kind, value))] == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_annotation_on_the_workload_itself_is_enough(matches: Ask, kind: str) -> None:
    value = of(kind, pod(container()))
    assert not matches(value)
    value["metadata"]["annotations"] = {"bgsafe.io/engine": "redis"}
    assert matches(value)


# --- against what the webhook finds ---

WORDS = st.sampled_from(
    [*ENGINE_NAMES, "Redis", "/usr/bin/KEYDB-server", "sh", "-c", "exec", "$(PROGRAM)", "--port", "a:1"]
)
TEXTS = st.lists(WORDS, max_size=4).map(" ".join)
CONTAINERS = st.fixed_dictionaries(
    {"name": st.just("c"), "image": TEXTS},
    optional={
        "command": st.lists(TEXTS, max_size=3),
        "args": st.lists(TEXTS, max_size=3),
        "env": st.just([{"name": "PROGRAM", "value": "redis-server"}]),
    },
)
PODS = st.builds(
    lambda containers, init, annotations: {
        **pod(*containers, **({"initContainers": init} if init else {})),
        "metadata": {"name": "p", **({"annotations": annotations} if annotations else {})},
    },
    st.lists(CONTAINERS, min_size=1, max_size=2),
    st.lists(CONTAINERS, max_size=1),
    st.dictionaries(st.sampled_from(["bgsafe.io/engine", "a"]), st.sampled_from(["redis", "none"]), max_size=1),
)


def servers(value: Mapping[str, Any]) -> int:
    """How many the webhook would find."""
    return len(extract([parsed(value, "the review")]).servers)


@given(value=PODS, kind=st.sampled_from(["Pod", *KINDS]))
def test_no_server_that_the_webhook_would_find_is_filtered_out(matches: Ask, value: Object, kind: str) -> None:
    value = value if kind == "Pod" else of(kind, value)
    assert matches(value) or servers(value) == 0


FOLDER = Path(os.environ.get("BGSAFE_MANIFESTS", Path(__file__).parents[3] / "shared" / "corpus"))
FILES = sorted(FOLDER.rglob("*.yaml"))


def real() -> Iterator[Object]:
    """The documents of the folder, as they are once they have gone through JSON."""
    for text in Sources([str(path) for path in FILES], None).documents():
        loaded = () if isinstance(text, Unread) else load(text)
        for document in () if isinstance(loaded, Unread) else loaded:
            yield as_stored(json.loads(json.dumps(document.value, default=str)))


def as_stored(value: Any) -> Any:
    """Without nulls: the API server reads an object into its types, and an empty field is not written again."""
    if isinstance(value, dict):
        return {key: as_stored(item) for key, item in value.items() if item is not None}
    return [as_stored(item) for item in value] if isinstance(value, list) else value


@pytest.mark.skipif(not FILES, reason="no folder of real manifests (set BGSAFE_MANIFESTS)")
def test_no_server_of_real_manifests_is_filtered_out(matches: Ask) -> None:
    found = left_alone = 0
    for value in real():
        if pod_spec(value) is not None:
            count = servers(value)
            found += count
            if not matches(value):
                assert count == 0, value
                left_alone += 1
    assert found > 100
    assert left_alone > 50


@pytest.mark.skipif(not FILES, reason="no folder of real manifests (set BGSAFE_MANIFESTS)")
def test_every_operators_resource_of_real_manifests_is_in_a_rule() -> None:
    (rule,) = webhook("operators.bgsafe.io")["rules"]
    kinds = {value["kind"].lower() for value in real() if is_operated(value)}
    plurals = {kind: {kind, f"{kind}s", f"{kind}es", f"{kind[:-1]}ies"} for kind in kinds}
    assert [kind for kind, forms in plurals.items() if not forms & set(rule["resources"])] == []
    assert kinds
