"""The conditions under which an object leaves the API server: none may hide a server from the webhook."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.manifests import Index, extract, parsed, pod_spec
from checker.manifests.documents import load
from checker.manifests.files import Sources
from checker.manifests.operators import is_operated
from checker.manifests.pods import ENGINE_NAMES
from tests.deploy.conditions import compiled, leaves_the_api_server
from tests.deploy.rendering import COMPONENTS, Object, kustomize, named

Ask = Callable[[Mapping[str, Any]], bool]


def webhook(name: str, components: Sequence[str] = COMPONENTS) -> Object:
    configuration = named(kustomize(tuple(components)), "ValidatingWebhookConfiguration", "bgsafe")
    (found,) = (each for each in configuration["webhooks"] if each["name"] == name)
    return found


@pytest.fixture(scope="module", params=[(), COMPONENTS], ids=["without resolve", "with resolve"])
def matches(request: pytest.FixtureRequest) -> Ask:
    """Does the object leave the API server?"""
    return leaves_the_api_server(webhook("workloads.bgsafe.io", request.param))


@pytest.fixture(scope="module")
def matches_resolving() -> Ask:
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
    pytest.param(pod(*[container()] * 21), id="more containers than are searched"),
    pytest.param(pod(container(args=["x"] * 100)), id="more arguments than are searched"),
    pytest.param(pod(container(args=["x" * 5_001])), id="a longer script than is searched"),
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
    pytest.param(pod(container(args=["x"] * 99)), id="as many arguments as are searched"),
    pytest.param(pod(*[container()] * 20), id="as many containers as are searched"),
    pytest.param(pod(container("a", args=["x" * 4_999])), id="as long a script as is searched"),
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


SCRIPTS = {"name": "scripts", "configMap": {"name": "scripts"}}
SECRET = {"name": "v", "secret": {"secretName": "scripts"}}
TOKEN = {
    "name": "kube-api-access",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "kube-root-ca.crt"}}]},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(pod(container(command=["/scripts/start"]), volumes=[SCRIPTS]), True, id="by its command"),
        pytest.param(pod(container(args=["/scripts/start"]), volumes=[SCRIPTS]), True, id="by its arguments"),
        pytest.param(
            pod(
                container(command=["/a/b"]),
                volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "scripts"}}]}}],
            ),
            True,
            id="projected",
        ),
        pytest.param(pod(container(), volumes=[SCRIPTS]), False, id="starts what its image says"),
        pytest.param(pod(container(command=["/a/b"]), volumes=[TOKEN]), False, id="its token alone"),
        pytest.param(pod(container(command=["/a/b"]), volumes=[SECRET]), False, id="a Secret"),
        pytest.param(
            pod(container(command=["/a/b"]), volumes=[{"name": f"v{n}", "emptyDir": {}} for n in range(101)]),
            True,
            id="more volumes than are searched",
        ),
    ],
)
def test_with_resolve_a_script_in_a_config_map_is_looked_for(
    matches_resolving: Ask, value: Object, expected: bool
) -> None:
    assert matches_resolving(value) is expected
    assert [kind for kind in KINDS if matches_resolving(of(kind, value)) is not expected] == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({"data": {"a": "1"}}, {"data": {"a": "2"}}, True, id="another value"),
        pytest.param({"data": {"a": "1"}}, {"data": {"a": "1", "b": ""}}, True, id="another key"),
        pytest.param({}, {"data": {"a": "1"}}, True, id="its first data"),
        pytest.param({"binaryData": {"a": "MQ=="}}, {"binaryData": {"a": "Mg=="}}, True, id="bytes"),
        pytest.param({"data": {"a": "1"}}, {"data": {"a": "1"}, "metadata": {"labels": {}}}, False, id="a label"),
        pytest.param({}, {}, False, id="nothing"),
    ],
)
def test_a_config_map_leaves_the_api_server_when_its_content_changes(old: Object, new: Object, expected: bool) -> None:
    (condition,) = webhook("configmaps.bgsafe.io")["matchConditions"]
    assert compiled(condition["expression"])(new, old) is expected


@pytest.mark.parametrize("kind", KINDS)
def test_an_annotation_on_the_workload_itself_is_enough(matches: Ask, kind: str) -> None:
    value = of(kind, pod(container()))
    assert not matches(value)
    value["metadata"]["annotations"] = {"bgsafe.io/engine": "redis"}
    assert matches(value)


# --- what it costs ---

PER_CALL_LIMIT = 1_000_000
"""Of one expression: k8s.io/apiserver pkg/apis/cel/config.go, PerCallLimit; above it the answer is an error."""

STRING_FACTOR, REGEX_FACTOR = 0.1, 0.25
"""Of one character: cel-go common/cost.go, StringTraversalCostFactor and RegexStringLengthCostFactor."""

STEPS_PER_WORD = 20
"""Iterating, reading a variable, adding a length, for a word in each of two comprehensions: a generous count."""


def test_the_largest_pod_that_is_searched_stays_within_half_the_budget() -> None:
    expression = webhook("workloads.bgsafe.io")["matchConditions"][0]["expression"]
    containers, words, characters = (
        int(re.findall(pattern, expression)[0])
        for pattern in (r"size\(containers\) > (\d+)", r"size\(words\) > (\d+)", r"sum\(\) > (\d+)")
    )
    (pattern,) = re.findall(r"matches\('(.*)'\)", expression)
    per_word = ceil((characters / words + 1) * STRING_FACTOR) * ceil(len(pattern) * REGEX_FACTOR) + STEPS_PER_WORD
    assert containers * words * per_word < PER_CALL_LIMIT / 2


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


def servers(value: Mapping[str, Any], config_maps: Iterable[Mapping[str, Any]] = ()) -> int:
    """How many the webhook would find; with --resolve it knows the ConfigMaps."""
    index = Index()
    for config_map in config_maps:
        index.add(parsed(config_map, "the API server"))
    return len(extract([parsed(value, "the review")], (), index).servers)


@given(value=PODS, kind=st.sampled_from(["Pod", *KINDS]))
def test_no_server_that_the_webhook_would_find_is_filtered_out(matches: Ask, value: Object, kind: str) -> None:
    value = value if kind == "Pod" else of(kind, value)
    assert matches(value) or servers(value) == 0


START = {
    "kind": "ConfigMap",
    "metadata": {"name": "scripts"},
    "data": {"start": "#!/bin/sh\nexec redis-server --port 6379\n"},
}


def test_a_script_in_a_config_map_is_a_server_to_the_webhook() -> None:
    mounted = container(command=["/scripts/start"], volumeMounts=[{"name": "scripts", "mountPath": "/scripts"}])
    assert servers(pod(mounted, volumes=[SCRIPTS]), [START]) == 1


@given(value=PODS, kind=st.sampled_from(["Pod", *KINDS]), path=st.sampled_from(["/scripts/start", "/other", ""]))
def test_with_resolve_no_server_is_filtered_out(matches_resolving: Ask, value: Object, kind: str, path: str) -> None:
    mounted = {"command": [path] if path else [], "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}]}
    spec = {**value["spec"], "containers": [*value["spec"]["containers"], container(**mounted)], "volumes": [SCRIPTS]}
    value = {**value, "spec": spec} if kind == "Pod" else of(kind, {**value, "spec": spec})
    assert matches_resolving(value) or servers(value, [START]) == 0


FOLDER = Path(os.environ.get("BGSAFE_MANIFESTS", Path(__file__).parents[3] / "shared" / "corpus"))
FILES = sorted(FOLDER.rglob("*.yaml"))


def real() -> Iterator[tuple[Object, list[Object]]]:
    """The documents of the folder, as they are once they have gone through JSON, with the ConfigMaps of their file."""
    for path in FILES:
        found = []
        for text in Sources([str(path)], None).documents():
            loaded = () if isinstance(text, Unread) else load(text)
            for document in () if isinstance(loaded, Unread) else loaded:
                found.append(as_stored(json.loads(json.dumps(document.value, default=str))))
        config_maps = [value for value in found if value.get("kind") == "ConfigMap"]
        yield from ((value, config_maps) for value in found)


def as_stored(value: Any) -> Any:
    """Without nulls: the API server reads an object into its types, and an empty field is not written again."""
    if isinstance(value, dict):
        return {key: as_stored(item) for key, item in value.items() if item is not None}
    return [as_stored(item) for item in value] if isinstance(value, list) else value


@pytest.mark.skipif(not FILES, reason="no folder of real manifests (set BGSAFE_MANIFESTS)")
def test_no_server_of_real_manifests_is_filtered_out(matches: Ask, matches_resolving: Ask) -> None:
    found = left_alone = 0
    for value, config_maps in real():
        if pod_spec(value) is not None:
            count = servers(value)
            found += count
            if not matches(value):
                assert count == 0, value
                left_alone += 1
            assert matches_resolving(value) or servers(value, config_maps) == 0, value
    assert found > 100
    assert left_alone > 50


@pytest.mark.skipif(not FILES, reason="no folder of real manifests (set BGSAFE_MANIFESTS)")
def test_every_operators_resource_of_real_manifests_is_in_a_rule() -> None:
    (rule,) = webhook("operators.bgsafe.io")["rules"]
    kinds = {value["kind"].lower() for value, _ in real() if is_operated(value)}
    plurals = {kind: {kind, f"{kind}s", f"{kind}es", f"{kind[:-1]}ies"} for kind in kinds}
    assert [kind for kind, forms in plurals.items() if not forms & set(rule["resources"])] == []
    assert kinds


ENGINES = ("Redis", "Valkey", "KeyDB", "Keydb", "Dragonfly", "Garnet", "KVRocks", "Kvrocks")
SUFFIXES = ("", "Cluster", "Failover", "Instance", "Node", "Replication", "Sentinel", "Standalone")


def plurals(kind: str) -> set[str]:
    """What the resource of a kind may be called: controller-tools makes the regular plural, people the shortest."""
    name = kind.lower()
    return {name, f"{name}es"} if name.endswith("s") else {f"{name[:-1]}ies"} if name.endswith("fly") else {f"{name}s"}


@pytest.mark.parametrize("engine", ENGINES)
def test_resources_of_operators_that_nobody_knows_yet_are_in_a_rule(engine: str) -> None:
    """All that the webhook would look into, but for names that only one operator has."""
    (rule,) = webhook("operators.bgsafe.io")["rules"]
    kinds = [f"{engine}{suffix}" for suffix in SUFFIXES]
    assert all(is_operated({"apiVersion": "a.example/v1", "kind": kind, "spec": {"a": 1}}) for kind in kinds)
    assert [kind for kind in kinds if not plurals(kind) <= set(rule["resources"])] == []
