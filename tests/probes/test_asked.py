from dataclasses import replace
from pathlib import Path

import pytest

from checker.facts import Unread
from checker.probes import asked
from checker.probes.config import Told, effective
from checker.probes.inside import Inside
from checker.probes.redis_conf import Directive
from checker.probes.redis_info import Answer, info_of

DENIED = Unread("CONFIG GET of redis://h:1", "NOPERM", "allow this user CONFIG GET")
HIDDEN = Unread("/proc/7/cmdline", "the process title replaced the arguments")
FIELDS = {
    "used_memory_rss": "5000",
    "maxmemory": "1024",
    "maxmemory_policy": "allkeys-lru",
    "aof_enabled": "1",
    "role": "slave",
    "cluster_enabled": "0",
    "connected_slaves": "0",
    "mem_allocator": "jemalloc-5.3.0",
}


def answer(directives=DENIED, shape=None, **fields: str) -> Answer:
    told = FIELDS | fields
    return Answer(
        where="redis://h:1",
        fields=told,
        info=info_of(told, 3.0, "redis://h:1"),
        engine_name="redis",
        version="7.0.15",
        directives=directives,
        shape=shape,
        asked_at=0.0,
    )


def config(given: Answer, by_process: Told, root: Path = Path("/none")):
    inside = Inside(root, "/data")
    told = asked.told(given, by_process, inside)
    return asked.with_info(effective(told, inside, "redis", "7.0.15"), given), told.problems


def test_config_get_knows_what_was_set_at_run_time():
    by_process = Told((Directive("maxmemory", ("1gb",), "file"),), True, (), ())
    given = answer((Directive("maxmemory", ("2gb",), "CONFIG GET"),))
    assert config(given, by_process)[0].maxmemory == 2 * 2**30


def test_without_config_get_info_wins_where_it_speaks():
    by_process = Told((Directive("maxmemory", ("1gb",), "file"), Directive("save", ("60", "1"), "file")), True, (), ())
    told, problems = config(answer(), by_process)
    assert (told.maxmemory, told.appendonly, told.replicaof, told.cluster_enabled) == (1024, True, True, False)
    assert told.sources["maxmemory"] == "INFO of redis://h:1"
    assert told.sources["save"] == "file"
    assert DENIED in problems


def test_what_neither_tells_stays_unread():
    told, _ = config(answer(), Told((), True, (HIDDEN,), (HIDDEN,)))
    assert isinstance(told.save, Unread)
    assert told.maxmemory == 1024


def test_the_file_that_info_names_is_read_where_the_arguments_are_hidden(tmp_path):
    (tmp_path / "redis.conf").write_text("save 60 1\n")
    given = answer(config_file="/redis.conf")
    told, _ = config(given, Told((), True, (HIDDEN,), (HIDDEN,)), tmp_path)
    assert told.sources["save"] == "/redis.conf line 1"


@pytest.mark.parametrize("field", ["connected_slaves", "role", "cluster_enabled"])
def test_replicas_are_possible_where_info_says_so(field):
    quiet = {"connected_slaves": "0", "role": "master", "cluster_enabled": "0"}
    nothing = Told((), True, (), ())
    loud = {"connected_slaves": "1", "role": "slave", "cluster_enabled": "1"}[field]
    assert config(answer((), **quiet), nothing)[0].replicas_possible is False
    assert config(answer(**(quiet | {field: loud})), nothing)[0].replicas_possible is True


def test_a_server_elsewhere_is_told_of_by_info_alone():
    server = asked.server_elsewhere(answer())
    assert (server.process, server.engine.forks, server.config.maxmemory) == (None, True, 1024)
    assert isinstance(server.limit.value, Unread)
    assert server.info is not None
    assert server.info.used_memory_rss == 5000


def test_a_sample_that_failed_is_said():
    why = Unread("RANDOMKEY", "NOPERM")
    server = asked.with_answer(asked.server_elsewhere(answer()), answer(shape=why))
    assert server.shape == ()
    assert why in server.unread
    assert replace(server, unread=()).shape == ()
