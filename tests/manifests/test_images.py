from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.manifests.images import classify, data_directory, split
from checker.policy import EngineImage


@pytest.mark.parametrize(
    ("name", "engine", "family", "version"),
    [
        pytest.param("redis", "redis", "official", None, id="no tag"),
        pytest.param("redis:7.2-alpine", "redis", "official", "7.2", id="a tag"),
        pytest.param("redis:alpine@sha256:" + "a" * 64, "redis", "official", None, id="a digest"),
        pytest.param("registry.example:5000/redis:8", "redis", "official", "8", id="a registry with a port"),
        pytest.param("public.ecr.aws/docker/library/redis:8.0.2", "redis", "official", "8.0.2", id="a mirror"),
        pytest.param("valkey/valkey:8.1-bookworm", "valkey", "official", "8.1", id="Valkey"),
        pytest.param("eqalpha/keydb:x86_64_v6.3.4", "keydb", "official", "6.3.4", id="KeyDB"),
        pytest.param("ghcr.io/dragonflydb/dragonfly:v1.20.1", "dragonfly", "official", "1.20.1", id="Dragonfly"),
        pytest.param("ghcr.io/microsoft/garnet:1.0.84", "garnet", "official", "1.0.84", id="Garnet"),
        pytest.param("apache/kvrocks:2.9.0", "kvrocks", "official", None, id="Kvrocks"),
        pytest.param("bitnami/redis-cluster:7.0.5-debian-11-r1", "redis", "bitnami", "7.0.5", id="bitnami"),
        pytest.param("bitnamilegacy/valkey:8.1.2", "valkey", "bitnami", "8.1.2", id="bitnami of old"),
        pytest.param("redis/redis-stack-server:7.4.0-v1", "redis", "stack", "7.4.0", id="the stack"),
        pytest.param("quay.io/sclorg/redis-7-c9s:latest", "redis", "sclorg", "7", id="version in the name"),
        pytest.param("falkordb/falkordb:latest", "redis", "custom", None, id="a module's image"),
        pytest.param("mycorp/redis:2.1", "redis", "official", None, id="a tag that is no version of Redis"),
        pytest.param("mycorp/redis-cache:v12", "redis", "custom", None, id="an image of one's own"),
        pytest.param("oliver006/redis_exporter:v1.55.0", "exporter", "custom", None, id="an exporter"),
        pytest.param("bitnami/redis-sentinel:7.2", "sentinel", "custom", None, id="a sentinel"),
        pytest.param("quay.io/spotahome/redis-operator:v1", "operator", "custom", None, id="an operator"),
        pytest.param("tkporter/twemproxy", "proxy", "custom", None, id="a proxy"),
        pytest.param("redislabs/memtier_benchmark", "client", "custom", None, id="a load"),
        pytest.param("dragonflyoss/dragonfly", "other", "custom", None, id="another Dragonfly"),
        pytest.param("redis/redisinsight", "other", "custom", None, id="a console"),
        pytest.param("me/api-redis-ha:1.0", "other", "custom", None, id="an application"),
        pytest.param("thisisnotredis", "other", "custom", None, id="a word within a word"),
        pytest.param("", "other", "custom", None, id="nothing"),
    ],
)
def test_an_image_is_what_its_last_word_says(name: str, engine: str, family: str, version: str | None) -> None:
    image = classify(name)
    assert (image.engine, image.family) == (engine, family)
    if image.is_server:
        assert image.version == version


@pytest.mark.parametrize(
    ("name", "replica"),
    [
        ("registry.k8s.io/redis-slave:v2", True),
        ("google_samples/gb-redisslave:v3", True),
        ("a/redis-master:3.2.10", False),
        ("redis", None),
    ],
)
def test_some_names_say_the_role(name: str, replica: bool | None) -> None:
    assert classify(name).replica is replica


def test_the_policys_patterns_go_first() -> None:
    engines = [EngineImage("*/mycache*", "valkey")]
    assert classify("r.example/mycache:1", engines).engine == "valkey"


def test_the_data_directory_is_the_images() -> None:
    names = ("redis", "bitnami/valkey", "sclorg/redis-7-c9s", "goharbor/redis-photon", "apache/kvrocks")
    assert [data_directory(classify(name)) for name in names] == [
        "/data",
        "/bitnami/valkey/data",
        "/var/lib/redis/data",
        "/var/lib/redis",
        "/var/lib/kvrocks",
    ]


@given(st.text(max_size=60))
def test_every_name_is_something(name: str) -> None:
    assert classify(name).engine
    assert isinstance(split(name)[0], str)
