from __future__ import annotations

import pytest

from checker.facts import UNLIMITED, SavePoint, Unread
from checker.units import GIB, MIB
from tests.manifests.making import config_map, only, read


def resource(group: str, kind: str, spec: str) -> str:
    return f"apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: r}}\nspec: {spec}\n"


@pytest.mark.parametrize(
    ("text", "engine", "cluster", "limit"),
    [
        pytest.param(
            resource(
                "redis.redis.opstreelabs.in", "RedisCluster", "{kubernetesConfig: {resources: {limits: {memory: 1Gi}}}}"
            ),
            "redis",
            True,
            GIB,
            id="OT cluster",
        ),
        pytest.param(
            resource("databases.spotahome.com", "RedisFailover", "{redis: {resources: {limits: {memory: 1Gi}}}}"),
            "redis",
            False,
            GIB,
            id="failover",
        ),
        pytest.param(
            resource("databases.spotahome.com", "RedisFailover", "{databaseEngine: Valkey}"),
            "valkey",
            False,
            UNLIMITED,
            id="failover of Valkey",
        ),
        pytest.param(
            resource("middleware.alauda.io", "Redis", "{arch: cluster, resources: {limits: {memory: 300Mi}}}"),
            "redis",
            True,
            300 * MIB,
            id="arch",
        ),
        pytest.param(resource("hyperspike.io", "Valkey", "{nodes: 3}"), "valkey", True, UNLIMITED, id="nodes"),
        pytest.param(
            resource("keydb.krestomat.io", "Keydb", "{keydbResourceLimitsMemory: 1Gi}"), "keydb", False, GIB, id="flat"
        ),
        pytest.param(
            resource(
                "app.redislabs.com", "RedisEnterpriseCluster", "{redisEnterpriseNodeResources: {limits: {memory: 4Gi}}}"
            ),
            "redis",
            False,
            4 * GIB,
            id="enterprise",
        ),
    ],
)
def test_the_server_that_an_operator_makes_is_found(text: str, engine: str, cluster: bool, limit: object) -> None:
    server = only(text)
    assert (server.engine.name, server.limit.value) == (engine, limit)
    assert server.config.cluster_enabled is cluster or isinstance(server.config.cluster_enabled, Unread)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param("{customConfig: {maxmemory: 1gb, save: 60 10 30 5}}", id="a mapping"),
        pytest.param("{redisConfig: {customConfig: [maxmemory: 1gb, save: 60 10 30 5]}}", id="a list of mappings"),
        pytest.param("{redis: {customConfig: [maxmemory 1gb, save 60 10, save 30 5]}}", id="a list of lines"),
        pytest.param('{config: "maxmemory 1gb\\nsave 60 10\\nsave 30 5"}', id="a text"),
    ],
)
def test_settings_are_read_in_every_form(settings: str) -> None:
    config = only(resource("x.io", "Redis", settings)).config
    assert config.maxmemory == GIB
    assert config.save == (SavePoint(60, 10), SavePoint(30, 5))
    assert config.sources["maxmemory"].startswith("spec.")


def test_a_percentage_of_the_limit_is_counted_out() -> None:
    spec = "{kubernetesConfig: {resources: {limits: {memory: 100Mi}}}, redisConfig: {maxMemoryPercentOfLimit: 80}}"
    assert only(resource("redis.redis.opstreelabs.in", "Redis", spec)).config.maxmemory == 80 * MIB


def test_another_config_map_is_read_or_missed() -> None:
    text = resource("redis.redis.opstreelabs.in", "RedisReplication", "{redisConfig: {additionalRedisConfig: m}}")
    config = only(text).config
    assert isinstance(config.maxmemory, Unread)
    assert config.replicas_possible is True
    assert only(text + config_map("m", x="maxmemory 1gb")).config.maxmemory == GIB


def test_dragonflys_limit_comes_down_as_a_variable() -> None:
    spec = (
        "{resources: {limits: {memory: 1Gi}}, args: ['--maxmemory=$(M)Mi'], env: [{name: M, valueFrom: "
        "{resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}]}"
    )
    server = only(resource("dragonflydb.io", "Dragonfly", spec))
    assert (server.engine.name, server.config.maxmemory) == ("dragonfly", GIB)


@pytest.mark.parametrize(
    ("spec", "filesystem"),
    [
        ("{redis: {storage: {persistentVolumeClaim: {spec: {}}}}}", "pvc"),
        ("{redis: {storage: {emptyDir: {medium: Memory}}}}", "emptyDir-memory"),
        ("{redis: {replicas: 3}}", "emptyDir"),
    ],
)
def test_storage_is_read(spec: str, filesystem: str) -> None:
    assert only(resource("databases.spotahome.com", "RedisFailover", spec)).volume.filesystem == filesystem


def test_sentinels_and_exporters_beside_it_are_counted() -> None:
    found = read(resource("databases.spotahome.com", "RedisFailover", "{redis: {exporter: {enabled: true}}}"))
    assert [other.what for other in found.others] == ["sentinel", "exporter"]


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("x.io", "RedisUser"),
        ("x.io", "RedisClusterBackup"),
        ("app.redislabs.com", "RedisEnterpriseDatabase"),
        ("redis.cnrm.cloud.google.com", "RedisInstance"),
        ("cache.azure.com", "Redis"),
        ("aiven.io", "Valkey"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ],
)
def test_resources_without_pods_of_their_own_are_skipped(group: str, kind: str) -> None:
    found = read(resource(group, kind, "{resources: {limits: {memory: 1Gi}}}"))
    assert (found.servers, found.others, found.skipped) == ((), (), {kind: 1})


def test_a_resource_that_is_a_sentinel_is_no_server() -> None:
    for text in (resource("x.io", "RedisSentinel", "{size: 3}"), resource("x.io", "KVRocks", "{type: sentinel}")):
        assert [other.what for other in read(text).others] == ["sentinel"]
