from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.facts import UNLIMITED, Unread
from checker.manifests import extract, split
from checker.manifests.documents import Text
from checker.policy import EngineImage
from checker.units import GIB, MIB
from tests.manifests.making import config_map, only, read, workload

REDIS = "image: redis:7.2"


@pytest.mark.parametrize(
    "kind",
    ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Rollout", "DeploymentConfig"],
)
def test_a_server_is_found_in_every_kind_with_a_pod_template(kind: str) -> None:
    server = only(workload(REDIS, kind=kind))
    assert (server.subject.kind, server.subject.name, server.subject.container) == (kind, "w", "c")
    assert (server.engine.name, server.engine.version, server.engine.forks) == ("redis", "7.2", True)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: redis}]}", id="Pod"),
        pytest.param("kind: PodTemplate\ntemplate: {spec: {containers: [{name: c, image: redis}]}}", id="PodTemplate"),
        pytest.param(
            "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: redis}]}}}}}",
            id="CronJob",
        ),
        pytest.param(
            json.dumps({"kind": "List", "items": [{"kind": "Pod", "spec": {"containers": [{"image": "redis"}]}}]}),
            id="a List in JSON",
        ),
        pytest.param('{"kind": "Pod",\n\t"spec": {"containers": [{"image": "redis"}]}}', id="JSON with tabs"),
        pytest.param("\r\nkind: Pod\r\nspec:\r\n  containers:\r\n  - image: redis\r\n", id="CRLF"),
    ],
)
def test_a_server_is_found_in_every_form(text: str) -> None:
    assert only(text).engine.name == "redis"


@pytest.mark.parametrize(
    ("container", "what"),
    [
        pytest.param(f"{REDIS}\ncommand: [redis-cli, ping]", "client", id="redis-cli"),
        pytest.param(f"{REDIS}\ncommand: [sleep, '3600']", "client", id="a shell to work in"),
        pytest.param(f"{REDIS}\ncommand: [sh, -c, 'tail -f /dev/null']", "client", id="a shell that waits"),
        pytest.param(f"{REDIS}\ncommand: [redis-sentinel, /s.conf]", "sentinel", id="redis-sentinel"),
        pytest.param(f"{REDIS}\ncommand: [redis-server, /s.conf, --sentinel]", "sentinel", id="--sentinel"),
        pytest.param("image: bitnami/redis-sentinel:7", "sentinel", id="a sentinel's image"),
        pytest.param(
            "image: a/k8s-redis:1\nenv: [{name: SENTINEL, value: 'true'}]", "sentinel", id="a sentinel by variable"
        ),
        pytest.param("image: oliver006/redis_exporter:v1", "exporter", id="an exporter"),
        pytest.param("image: quay.io/x/redis-operator:1", "operator", id="an operator"),
        pytest.param("image: x/redis-proxy", "proxy", id="a proxy"),
        pytest.param(f"{REDIS}\ncommand: [/scripts/backup.sh]", "client", id="a script beside a server"),
        pytest.param(f"{REDIS}\nargs: [redis-server, --version]", "client", id="a version"),
    ],
)
def test_what_is_no_data_server_is_counted_and_not_judged(container: str, what: str) -> None:
    found = read(workload(container))
    assert found.servers == ()
    assert [other.what for other in found.others] == [what]
    assert found.not_servers == 1


@pytest.mark.parametrize(
    "image",
    [
        "wordpress-redis:1",
        "rediscommander/redis-commander",
        "redis/redisinsight",
        "definitelynotredis",
        "nginx",
        "php-redis",
    ],
)
def test_applications_named_after_redis_are_not_servers(image: str) -> None:
    found = read(workload(f"image: {image}", name="redis"))
    assert (found.servers, found.not_servers) == ((), 0)


def test_names_have_no_say() -> None:
    assert only(workload(REDIS, name="redis-client")).subject.name == "redis-client"


def test_init_containers_are_servers_where_they_stay() -> None:
    found = read(
        workload(
            "image: app",
            pod="""
            initContainers:
            - {name: stays, image: redis, restartPolicy: Always}
            - {name: waits, image: redis, command: [sh, -c, 'until redis-cli ping; do sleep 1; done']}
            """,
        )
    )
    assert [server.subject.container for server in found.servers] == ["stays"]
    assert [other.what for other in found.others] == ["client"]


def test_every_number_has_its_line() -> None:
    text = workload(
        """
        image: redis
        args:
        - --maxmemory
        - 1gb
        resources:
          limits:
            memory: 2Gi
        """
    )
    server = only("# a comment\n---\n" + text)
    lines = ("# a comment\n---\n" + text).splitlines()
    assert server.subject.line == lines.index("      - name: c") + 1
    assert server.lines["resources.limits.memory"] == lines.index("            memory: 2Gi") + 1
    assert server.lines["args"] == lines.index("        args:") + 1


def test_a_config_maps_line_is_the_line_in_the_file() -> None:
    text = workload(
        "image: redis\nargs: [/c/redis.conf]\nvolumeMounts: [{name: v, mountPath: /c}]",
        pod="volumes: [{name: v, configMap: {name: m}}]",
    ) + config_map("m", redis_conf="# x\nmaxmemory 1gb\n")
    server = only(text)
    source = server.config.sources["maxmemory"]
    assert source == "ConfigMap m key redis.conf line 2"
    assert text.splitlines()[server.lines[source] - 1].strip() == "maxmemory 1gb"


def test_what_is_not_in_the_input_is_unread_and_named() -> None:
    server = only(
        workload(
            "image: redis\nargs: [/c/redis.conf]\nvolumeMounts: [{name: v, mountPath: /c}]",
            pod="volumes: [{name: v, configMap: {name: m}}]",
        )
    )
    assert isinstance(server.config.maxmemory, Unread)
    assert str(server.config.maxmemory).startswith("ConfigMap m: is not in the input")
    assert [unread.where for unread in server.unread] == ["ConfigMap m"]


def test_a_config_map_of_another_file_is_found() -> None:
    pod = workload(
        "image: redis\nargs: [/c/redis.conf]\nvolumeMounts: [{name: v, mountPath: /c}]",
        pod="volumes: [{name: v, configMap: {name: m}}]",
    )
    server = only(pod, config_map("m", redis_conf="maxmemory 1gb"))
    assert server.config.maxmemory == GIB
    assert not any(key.startswith("ConfigMap") for key in server.lines)


def test_two_config_maps_of_one_name_are_not_guessed_between() -> None:
    pod = workload(
        "image: redis\nargs: [/c/redis.conf]\nvolumeMounts: [{name: v, mountPath: /c}]",
        pod="volumes: [{name: v, configMap: {name: m}}]",
    )
    maps = [config_map("m", redis_conf="maxmemory 1gb"), config_map("m", redis_conf="maxmemory 2gb")]
    assert isinstance(only(pod, *maps).config.maxmemory, Unread)


def test_a_broken_document_hides_no_other() -> None:
    found = read("a: [\n---\n" + workload(REDIS) + "---\nkind: Service\n---\n- 1\n")
    assert len(found.servers) == 1
    assert [problem.where for problem in found.problems] == ["f0.yaml line 2 column 1"]
    assert found.skipped == {"Service": 1}


def test_a_template_is_called_one() -> None:
    (problem,) = read("kind: {{ .Values.kind }}\n").problems
    assert "helm template" in problem.remedy


def test_a_key_that_is_there_twice_is_reported_where_there_is_a_server() -> None:
    (problem,) = read(workload(f"{REDIS}\nimage: redis:8")).problems
    assert problem.where == "f0.yaml line 11"
    assert "twice" in problem.why


def test_a_master_learns_of_replicas_and_sentinels_beside_it() -> None:
    replica = workload("image: redis\nargs: [--replicaof, w, '6379']", name="r")
    sentinel = workload("image: redis\ncommand: [redis-sentinel, /s]", name="s")
    assert only(workload(REDIS)).config.replicas_possible is False
    for other, why in ((replica, "Deployment r is a replica"), (sentinel, "Deployment s is a sentinel")):
        master = read(workload(REDIS) + "---\n" + other).servers[0]
        assert master.config.replicas_possible is True
        assert master.config.sources["replicas_possible"] == why


def test_an_owner_may_opt_out_or_say_the_engine() -> None:
    said = "metadata: {name: w, annotations: {bgsafe.io/engine: %s}}"
    found = read(workload(REDIS).replace("metadata: {name: w}", said % "none"))
    assert (found.servers, found.not_servers) == ((), 0)
    server = only(workload("image: my/cache:1").replace("metadata: {name: w}", said % "valkey"))
    assert server.engine.name == "valkey"
    assert isinstance(server.engine.version, Unread)


def test_a_policys_image_is_a_server() -> None:
    engines = [EngineImage("registry.example/mycache*", "redis")]
    text = workload("image: registry.example/mycache:3\nargs: [--maxmemory, 1gb]")
    (server,) = extract(split(text.splitlines(keepends=True), "f"), engines).servers
    assert server.config.maxmemory == GIB
    assert isinstance(server.config.save, Unread)  # who knows what its entry point adds


def test_a_policys_image_makes_no_other_pod_a_server() -> None:
    """A pod is found, or not, whatever the policy says of others': the webhook's matchConditions rest on it."""
    engines = [EngineImage("registry.example/mycache*", "redis")]
    text = workload("image: app:1\nenv: [{name: P, value: redis-server}]\ncommand: [$(P)]")
    assert extract(split(text.splitlines(keepends=True), "f"), engines).servers == read(text).servers == ()


def test_requests_are_kept_beside_the_servers() -> None:
    found = read(workload("image: redis\nresources: {requests: {memory: 64Mi}}"))
    assert found.memory_requests == (64 * MIB,)
    assert found.servers[0].limit.value is UNLIMITED


def test_what_could_not_be_read_before_is_passed_on() -> None:
    gone = Unread("a.yaml", "permission denied", "run as its owner")
    assert extract([gone]).problems == (gone,)


# --- anything -------------------------------------------------------------------------------------------------------

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.text(max_size=8),
    st.sampled_from(["redis", "redis:7", "redis-server", "--maxmemory", "1gb", "sh", "-c", "$(A)", "512Mi", "Memory"]),
)
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
FIELDS = ["name", "image", "command", "args", "env", "envFrom", "resources", "volumeMounts", "ports", "lifecycle"]


@st.composite
def mangled(draw: st.DrawFn) -> dict[str, object]:
    """A pod whose fields have any type at all."""
    container = draw(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
    container.setdefault("image", "redis")
    spec: dict[str, object] = draw(st.dictionaries(st.sampled_from(["volumes", "initContainers", "resources"]), VALUES))
    spec["containers"] = [container, draw(VALUES)]
    return {"kind": "Pod", "metadata": draw(VALUES), "spec": spec}


@settings(max_examples=150, deadline=None)
@given(mangled())
def test_no_wrong_type_makes_it_fail(pod: dict[str, object]) -> None:
    found = extract([Text("f", 1, json.dumps(pod))])
    for server in found.servers:
        assert server.subject.line == 1


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_no_script_makes_it_fail_or_miss_the_server(script: str) -> None:
    text = json.dumps({"kind": "Pod", "spec": {"containers": [{"image": "x", "command": ["sh", "-c", script]}]}})
    extract([Text("f", 1, text)])
    text = text.replace('"sh", "-c"', '"redis-server"')
    assert len(extract([Text("f", 1, text)]).servers) == (0 if script in ("-v", "-h") else 1)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=120))
def test_no_text_makes_it_fail(text: str) -> None:
    extract(split(text.splitlines(keepends=True), "f"))
