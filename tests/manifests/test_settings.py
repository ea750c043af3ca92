from __future__ import annotations

import pytest

from checker.facts import SavePoint, Unread
from checker.probes.redis_conf import DEFAULT_SAVE
from checker.units import GIB, MIB
from tests.manifests.making import config_map, server

MOUNTED = "volumes: [{name: v, configMap: {name: m}}]"


@pytest.mark.parametrize(
    ("container", "source"),
    [
        pytest.param("image: redis\nargs: [--maxmemory, 1gb]", "args", id="args"),
        pytest.param("image: redis\nargs: [redis-server, --maxmemory, 1gb]", "args", id="args with the program"),
        pytest.param("image: redis\ncommand: [redis-server, --maxmemory 1gb]", "command", id="command"),
        pytest.param("image: redis\ncommand: [redis-server]\nargs: [--maxmemory, 1gb]", "args", id="both"),
        pytest.param("image: x\ncommand: [redis-server, --maxmemory, 1gb]", "command", id="an image of any name"),
        pytest.param("command: [redis-server, --maxmemory, 1gb]", "command", id="a patch without an image"),
        pytest.param(
            "image: redis\ncommand: [sh, -c]\nargs: ['exec redis-server --maxmemory 1gb']", "args", id="sh -c"
        ),
        pytest.param("image: redis\nargs: [--maxmemory, $(M)]\nenv: [{name: M, value: 1gb}]", "args", id="a reference"),
        pytest.param(
            "image: redis/redis-stack\nenv: [{name: REDIS_ARGS, value: '--maxmemory 1gb'}]",
            "env REDIS_ARGS",
            id="stack",
        ),
        pytest.param(
            "image: bitnami/redis\nenv: [{name: REDIS_EXTRA_FLAGS, value: '--maxmemory 1gb'}]",
            "env REDIS_EXTRA_FLAGS",
            id="bitnami",
        ),
        pytest.param(
            "image: valkey/valkey\nenv: [{name: VALKEY_EXTRA_FLAGS, value: '--maxmemory 1gb'}]",
            "env VALKEY_EXTRA_FLAGS",
            id="valkey",
        ),
        pytest.param(
            "image: redis\nlifecycle: {postStart: {exec: {command: [redis-cli, config, set, maxmemory, 1gb]}}}",
            "redis-cli config set",
            id="postStart",
        ),
        pytest.param(
            "image: redis\ncommand: [sh, -c, 'redis-server & redis-cli config set maxmemory 1gb; wait']",
            "redis-cli config set",
            id="config set in the script",
        ),
    ],
)
def test_maxmemory_is_found_wherever_it_is_said(container: str, source: str) -> None:
    config = server(container).config
    assert (config.maxmemory, config.sources["maxmemory"]) == (GIB, source)


def test_the_command_line_goes_over_the_file() -> None:
    config = server(
        "image: redis\nargs: [/c/redis.conf, --maxmemory, 2gb]\nvolumeMounts: [{name: v, mountPath: /c}]",
        pod=MOUNTED,
        more=config_map("m", redis_conf='maxmemory 1gb\nsave ""\nappendonly yes\n'),
    ).config
    assert (config.maxmemory, config.sources["maxmemory"]) == (2 * GIB, "args")
    assert (config.save, config.sources["save"]) == ((), "ConfigMap m key redis.conf line 2")
    assert config.appendonly is True


@pytest.mark.parametrize(
    ("mounts", "pod"),
    [
        pytest.param("{name: v, mountPath: /c}", MOUNTED, id="a volume"),
        pytest.param("{name: v, mountPath: /c/redis.conf, subPath: redis.conf}", MOUNTED, id="subPath"),
        pytest.param(
            "{name: v, mountPath: /c}",
            "volumes: [{name: v, configMap: {name: m, items: [{key: redis.conf, path: redis.conf}]}}]",
            id="items",
        ),
        pytest.param(
            "{name: v, mountPath: /c}",
            "volumes: [{name: v, projected: {sources: [{configMap: {name: m}}]}}]",
            id="projected",
        ),
    ],
)
def test_a_config_map_is_read_however_it_is_mounted(mounts: str, pod: str) -> None:
    config = server(
        f"image: redis\nargs: [/c/redis.conf]\nvolumeMounts: [{mounts}]",
        pod=pod,
        more=config_map("m", redis_conf="maxmemory 1gb"),
    ).config
    assert config.maxmemory == GIB


def test_what_an_init_container_writes_is_what_the_server_reads() -> None:
    pod = """
    volumes: [{name: v, emptyDir: {}}]
    initContainers:
    - name: i
      image: busybox
      command: [sh, -c]
      args: ['echo "maxmemory $M" > /x/redis.conf']
      env: [{name: M, value: 1gb}]
      volumeMounts: [{name: v, mountPath: /x}]
    """
    config = server("image: redis\nargs: [/c/redis.conf]\nvolumeMounts: [{name: v, mountPath: /c}]", pod=pod).config
    assert config.maxmemory == GIB


def test_a_role_that_the_start_script_decides_is_unread_and_means_replicas() -> None:
    script = 'if [ "$HOSTNAME" = r-0 ]; then redis-server; else redis-server --replicaof r-0 6379; fi'
    config = server(f"image: redis\ncommand:\n- sh\n- -c\n- |\n  {script}").config
    assert isinstance(config.replicaof, Unread)
    assert config.replicas_possible is True
    assert config.maxmemory == 0


def test_a_script_that_is_not_in_the_input_leaves_everything_unread() -> None:
    config = server("image: redis\ncommand: [/s/start-it.sh]").config
    assert isinstance(config.maxmemory, Unread)
    assert config.maxmemory.where == "/s/start-it.sh"


def test_an_image_of_ones_own_has_a_configuration_of_its_own() -> None:
    assert isinstance(server("image: me/redis-cache").config.save, Unread)
    assert server("image: me/redis-cache\ncommand: [redis-server]").config.maxmemory == 0


@pytest.mark.parametrize(
    ("variables", "save", "appendonly"),
    [
        pytest.param("", (SavePoint(900, 1), SavePoint(300, 10), SavePoint(60, 10000)), True, id="untold"),
        pytest.param("{name: REDIS_AOF_ENABLED, value: 'no'}", None, False, id="AOF off"),
        pytest.param("{name: REDIS_RDB_POLICY_DISABLED, value: 'yes'}", (), True, id="RDB off"),
        pytest.param(
            "{name: REDIS_RDB_POLICY, value: '60#5 30#9'}", (SavePoint(60, 5), SavePoint(30, 9)), True, id="RDB"
        ),
    ],
)
def test_bitnamis_variables_are_read(variables: str, save: tuple[SavePoint, ...] | None, appendonly: bool) -> None:
    config = server(f"image: bitnami/redis:7.2\nenv: [{variables}]").config
    assert config.appendonly is appendonly
    assert save is None or config.save == save
    assert config.directory == "/bitnami/redis/data"


def test_a_variable_of_a_config_map_that_is_missing_is_unread() -> None:
    container = "image: bitnami/redis\nenvFrom: [{configMapRef: {name: m}}]"
    assert isinstance(server(container).config.appendonly, Unread)
    config = server(container, more=config_map("m", REDIS_AOF_ENABLED="no")).config
    assert config.appendonly is True  # REDIS.AOF.ENABLED is not that variable


def test_old_redis_loses_its_save_points_with_any_argument() -> None:
    assert server("image: redis:6.0\nargs: [--appendonly, 'yes']").config.save == ()
    assert server("image: redis:6.0").config.save != ()
    assert server("image: redis:6.2\nargs: [--appendonly, 'yes']").config.save != ()


@pytest.mark.parametrize(
    ("argument", "maxmemory"),
    [("--maxmemory=512M", 512 * MIB), ("--maxmemory=2Gi", 2 * GIB), ("--maxmemory=1.5gb", 3 * GIB // 2)],
)
def test_dragonfly_counts_in_powers_of_1024(argument: str, maxmemory: int) -> None:
    found = server(f"image: docker.dragonflydb.io/dragonflydb/dragonfly\nargs: ['{argument}']")
    assert found.config.maxmemory == maxmemory
    assert found.engine.forks is False
    assert found.config.save == ()


def test_garnet_has_an_aof_of_its_own() -> None:
    assert server("image: ghcr.io/microsoft/garnet:1\nargs: [--aof]").config.appendonly is True


@pytest.mark.parametrize("image", ["redis:3", "registry.example/base:3", "registry.example/base:2.1"])
def test_the_version_of_another_image_switches_no_save_points_off(image: str) -> None:
    """Redis before 6.2 has none beside an argument; an image of any other name says nothing of Redis."""
    save = server(f"image: {image}\ncommand: [redis-server, --maxmemory, 1gb]").config.save
    assert save == (() if image == "redis:3" else DEFAULT_SAVE)
