"""The file that says who may be asked: what it accepts, and what it says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.agent.access import Access, load
from checker.yaml_file import SettingsError

WHOLE = """\
apiVersion: bgsafe.io/v1
kind: RedisAccess
servers:
  - url: redis://127.0.0.1:6379
    username: bgsafe
    passwordFile: /etc/bgsafe/password
  - url: unix:///run/redis.sock
pods:
  - labels: {app: cache, tier: hot}
    namespace: "shop-*"
    port: 6380
    tls: true
    caFile: /etc/bgsafe/ca.crt
    username: bgsafe
  - labels: {app: cache}
"""


def read(tmp_path: Path, text: str) -> Access:
    path = tmp_path / "access.yaml"
    path.write_text(text)
    return load(path)


def test_all_of_it(tmp_path: Path) -> None:
    access = read(tmp_path, WHOLE)
    first, second = access.servers
    assert first.credentials.applied_to(first.url) == "redis://bgsafe@127.0.0.1:6379"
    assert second.credentials.applied_to(second.url) == "unix:///run/redis.sock"
    assert second.credentials.password() is None


@pytest.mark.parametrize(
    ("namespace", "labels", "url"),
    [
        ("shop-eu", {"app": "cache", "tier": "hot"}, "rediss://10.0.0.7:6380?ssl_check_hostname=false&ssl_ca_certs=%2Fetc%2Fbgsafe%2Fca.crt"),
        ("shop-eu", {"app": "cache"}, "redis://10.0.0.7:7000"),
        ("other", {"app": "cache", "tier": "hot"}, "redis://10.0.0.7:7000"),
        ("shop-eu", {"app": "web"}, None),
    ],
    ids=["the first that fits", "too few labels for the first", "another namespace", "none fits"],
)  # fmt: skip
def test_pods_are_found_by_their_labels(
    tmp_path: Path, namespace: str, labels: dict[str, str], url: str | None
) -> None:
    entry = read(tmp_path, WHOLE).for_pod(namespace, labels)
    assert (entry.url("10.0.0.7", 7000) if entry else None) == url


def test_an_ipv6_address_is_written_in_brackets(tmp_path: Path) -> None:
    entry = read(tmp_path, "pods: [{labels: {a: b}}]").for_pod("x", {"a": "b"})
    assert entry is not None
    assert entry.url("fd00::7", None) == "redis://[fd00::7]:6379"


def test_a_password_is_read_anew_each_time(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    access = read(tmp_path, f"servers: [{{url: 'redis://h', passwordFile: {secret}}}]")
    for password in ("old", "new"):
        secret.write_text(f"{password}\n")
        assert access.servers[0].credentials.password() == password


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither servers nor pods"),
        ("[]", "neither servers nor pods"),
        ("kind: Policy", "kind is 'Policy' (expected RedisAccess)"),
        ("server: []", "unknown key 'server'"),
        ("servers: {}", "expected a list"),
        ("servers: [{}]", "servers[0].url: expected like redis://"),
        ("servers: [{url: 'http://x'}]", "servers[0].url: expected like redis://"),
        ("servers: [{url: 7}]", "servers[0].url: 7 is not a text"),
        ("servers: [{url: 'redis://[x'}]", "servers[0].url: not a URL"),
        ("servers: [{url: 'redis://me:secret@x'}]", "leave user and password out"),
        ("servers: [{url: 'redis://x', password: y}]", "unknown key 'password'"),
        ("pods: [{labels: {}}]", "pods[0].labels: expected a mapping"),
        ("pods: [{labels: {a: 1}}]", "pods[0].labels: expected a mapping"),
        ("pods: [{labels: {a: b}, port: 70000}]", "pods[0].port: 70000 is not a port"),
        ("pods: [{labels: {a: b}, port: true}]", "pods[0].port: True is not a port"),
        ("pods: [{labels: {a: b}, tls: maybe}]", "pods[0].tls: 'maybe' is neither"),
        ("pods: [{labels: {a: b}, caFile: /x}]", "pods[0].caFile: only with tls"),
        ("servers: [", "not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(tmp_path, text)
    assert message in str(error.value)
    assert "secret" not in str(error.value)
    assert "access.yaml" in str(error.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "none.yaml")
