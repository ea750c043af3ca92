from __future__ import annotations

import pytest

from checker.facts import Unread
from tests.manifests.making import server


@pytest.mark.parametrize(
    ("container", "volume", "filesystem", "in_memory"),
    [
        pytest.param("{name: v, mountPath: /data}", "emptyDir: {}", "emptyDir", False, id="emptyDir"),
        pytest.param("{name: v, mountPath: /data}", "emptyDir: {medium: Memory}", "emptyDir-memory", True, id="memory"),
        pytest.param("{name: v, mountPath: /data/}", "persistentVolumeClaim: {}", "pvc", False, id="a claim"),
        pytest.param("{name: v, mountPath: /}", "hostPath: {path: /x}", "hostPath", False, id="above"),
        pytest.param("{name: v, mountPath: /elsewhere}", "emptyDir: {}", "none", False, id="elsewhere"),
        pytest.param("{name: v, mountPath: /data}", "nfs: {}", "nfs", False, id="another kind"),
    ],
)
def test_the_volume_is_the_one_under_the_data_directory(
    container: str, volume: str, filesystem: str, in_memory: bool
) -> None:
    found = server(f"image: redis\nvolumeMounts: [{container}]", pod=f"volumes: [{{name: v, {volume}}}]").volume
    assert (found.filesystem, found.in_memory) == (filesystem, in_memory)


def test_dir_moves_the_data() -> None:
    found = server(
        "image: redis\nargs: [--dir, /x/y]\nvolumeMounts: [{name: v, mountPath: /x}]",
        pod="volumes: [{name: v, emptyDir: {}}]",
    )
    assert found.volume.filesystem == "emptyDir"


def test_where_the_directory_is_not_known_the_only_volume_is_meant() -> None:
    found = server(
        "image: me/redis-store\nvolumeMounts: [{name: v, mountPath: /redis-data}]",
        pod="volumes: [{name: v, persistentVolumeClaim: {claimName: x}}]",
    )
    assert found.volume.filesystem == "pvc"


def test_a_patch_without_an_image_leaves_limit_and_volume_open() -> None:
    found = server("command: [redis-server]")
    assert isinstance(found.limit.value, Unread)
    assert isinstance(found.volume.filesystem, Unread)


def test_the_bus_of_a_cluster_says_that_there_are_replicas() -> None:
    ports = "ports: [{containerPort: 6379}, {containerPort: 16379}]"
    assert server(f"image: redis\nargs: [/c/r.conf]\n{ports}").config.replicas_possible is True
    assert server(f"image: redis\n{ports}").config.replicas_possible is False


@pytest.mark.parametrize(
    ("variable", "replica"),
    [("{name: MASTER, value: 'true'}", False), ("{name: MASTER_ADDRESS, value: m}", True)],
)
def test_images_of_ones_own_take_their_role_from_variables(variable: str, replica: bool) -> None:
    config = server(f"image: me/k8s-redis\nenv: [{variable}]").config
    assert config.replicaof is replica
    assert config.replicas_possible is True


def test_fields_of_a_wrong_type_are_named() -> None:
    found = server("image: redis\nargs: --maxmemory 1gb\nports: 6379")
    assert [unread.where for unread in found.unread] == ["args of container c", "ports of container c"]
    assert isinstance(found.config.maxmemory, Unread)


def test_whether_the_group_is_killed_is_the_nodes_choice() -> None:
    found = server("image: redis").oom_group
    assert isinstance(found, Unread)
    assert "singleProcessOOMKill" in found.why


def test_only_config_maps_of_this_container_are_reported_missing() -> None:
    pod = (
        "volumes: [{name: a, configMap: {name: m}}, {name: b, secret: {secretName: s}}, {name: c, hostPath: {path: /}}]"
    )
    mounts = "[{name: a, mountPath: /a}, {name: b, mountPath: /b}, {name: c, mountPath: /c}]"
    assert [gap.where for gap in server(f"image: redis\nvolumeMounts: {mounts}", pod=pod).unread] == ["ConfigMap m"]
    assert server("image: redis", pod=pod).unread == ()
