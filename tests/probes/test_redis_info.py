import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import SavePoint, Unread
from checker.probes import redis_conf, redis_info
from checker.probes.redis_info import directives_of, engine_of, info_of, keyspace, parse, write_rate

INFO = """# Server
redis_version:7.0.15
redis_mode:standalone
process_id:812
executable:/usr/bin/redis-server
config_file:
# Memory
used_memory:1000
used_memory_rss:2000
maxmemory:0
# Persistence
loading:0
rdb_changes_since_last_save:10
rdb_last_save_time:1000
rdb_last_bgsave_time_sec:-1
# Keyspace
db0:keys=12,expires=0,avg_ttl=0
db9:keys=30,expires=1,avg_ttl=0
"""


def test_info_becomes_facts():
    info = info_of(parse(INFO.replace("\n", "\r\n")), 5.0, "here")
    assert (info.used_memory, info.used_memory_rss, info.keys, info.loading) == (1000, 2000, 42, False)
    assert info.write_rate_per_second == 5.0


def test_no_save_yet_is_not_a_save_of_minus_one_second():
    assert isinstance(info_of(parse(INFO), 0.0, "here").rdb_last_bgsave_time_sec, Unread)


def test_what_info_does_not_say_is_unread_with_its_name():
    value = info_of(parse(INFO), 0.0, "here").used_memory_dataset
    assert isinstance(value, Unread)
    assert "used_memory_dataset" in value.where


def test_an_empty_server_has_no_keys_and_a_silent_one_is_unknown():
    assert info_of(parse("used_memory:1\n"), 0.0, "").keys == 0
    assert isinstance(info_of({}, 0.0, "").keys, Unread)


def test_databases():
    assert keyspace(parse(INFO)) == {0: 12, 9: 30}


@pytest.mark.parametrize(
    ("after", "rate"),
    [
        pytest.param({"rdb_changes_since_last_save": "30", "rdb_last_save_time": "1"}, 10.0, id="growth"),
        pytest.param({"rdb_changes_since_last_save": "10", "rdb_last_save_time": "1"}, 0.0, id="idle is zero"),
        pytest.param({"rdb_changes_since_last_save": "5", "rdb_last_save_time": "1"}, None, id="set back"),
        pytest.param({"rdb_changes_since_last_save": "30", "rdb_last_save_time": "2"}, None, id="a save in between"),
        pytest.param({"rdb_last_save_time": "1"}, None, id="not told"),
        pytest.param(
            {"rdb_changes_since_last_save": "12000", "rdb_last_save_time": "1", "server_time_usec": "121000000"},
            5995.0,
            id="busy now",
        ),
        pytest.param(
            {"rdb_changes_since_last_save": "12", "rdb_last_save_time": "1", "server_time_usec": "61000000"},
            1.0,
            id="no busier than growth, a minute after",
        ),
        pytest.param(
            {"rdb_changes_since_last_save": "12", "rdb_last_save_time": "1", "server_time_usec": "60000000"},
            1.0,
            id="too short a time for a mean",
        ),
    ],
)
def test_the_write_rate_is_growth_and_never_guessed(after, rate):
    before = {"rdb_changes_since_last_save": "10", "rdb_last_save_time": "1"}
    answer = write_rate(before, after, 2.0, "here")
    assert answer == rate if rate is not None else isinstance(answer, Unread)


@pytest.mark.parametrize(
    ("fields", "engine"),
    [
        pytest.param({"redis_version": "7.0.15", "executable": "/x/redis-server"}, ("redis", "7.0.15"), id="redis"),
        pytest.param(
            {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.1"},
            ("valkey", "8.1.1"),
            id="valkey says redis_version for its clients",
        ),
        pytest.param({"redis_version": "6.3.4", "executable": "/x/keydb-server"}, ("keydb", "6.3.4"), id="keydb"),
        pytest.param(
            {"redis_version": "7.4.0", "dragonfly_version": "df-v1.25.1"}, ("dragonfly", "1.25.1"), id="dragonfly"
        ),
    ],
)
def test_engines_and_their_own_versions(fields, engine):
    assert engine_of(fields, "here") == engine


def effective(values):
    directives = directives_of(values, "here")
    return redis_conf.effective(directives, engine_name="redis", version="6.2.14", has_config=True)


def test_what_config_get_writes_is_understood():
    config = effective(
        {
            "maxmemory": "104857600",
            "save": "3600 1 300 100",
            "slaveof": "10.0.0.1 6379",
            "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            "appendonly": "yes",
            "dir": "/my data",
        }
    )
    assert (config.maxmemory, config.save) == (104857600, (SavePoint(3600, 1), SavePoint(300, 100)))
    assert (config.replicaof, config.appendonly, config.directory) == (True, True, "/my data")
    assert config.replica_output_buffer_limit == 268435456
    assert config.sources["maxmemory"] == "CONFIG GET maxmemory of here"


def test_empty_answers_mean_none_and_not_the_default():
    config = effective({"save": "", "replicaof": ""})
    assert (config.save, config.replicaof) == ((), False)


def server(info=INFO, config=b"*2\r\n$9\r\nmaxmemory\r\n$4\r\n1024\r\n"):
    def answer(words):
        if words[0] == b"INFO":
            return b"$%d\r\n%b\r\n" % (len(info), info.encode())
        if words[0] == b"CONFIG":
            return config if words[2] == b"maxmemory" or config.startswith(b"-") else b"*0\r\n"
        return b"+OK\r\n"

    return answer


def read(url, **more):
    return redis_info.read(url, timeout_seconds=1.0, rate_seconds=0.0, sleep=lambda _: None, **more)


def test_a_server_is_asked(redis_like):
    answer = read(redis_like(server()))
    assert isinstance(answer, redis_info.Answer)
    assert not isinstance(answer.directives, Unread)
    assert [(one.name, one.args) for one in answer.directives] == [("maxmemory", ("1024",))]
    assert (answer.count("process_id"), answer.shape) == (812, None)


def test_without_config_get_the_rest_is_still_told(redis_like):
    answer = read(redis_like(server(config=b"-NOPERM no permissions to run config|get\r\n")))
    assert isinstance(answer, redis_info.Answer)
    assert isinstance(answer.directives, Unread)
    assert "+config|get" in answer.directives.remedy
    assert answer.info.used_memory == 1000


@pytest.mark.parametrize(
    ("info", "remedy"),
    [
        pytest.param(INFO.replace("standalone", "sentinel"), "data server", id="a sentinel"),
        pytest.param("", "Redis-like", id="nothing"),
    ],
)
def test_who_is_no_data_server_is_said(redis_like, info, remedy):
    answer = read(redis_like(server(info=info)))
    assert isinstance(answer, Unread)
    assert remedy in answer.remedy


def test_secrets_are_not_asked_for():
    assert not {"requirepass", "masterauth", "*"} & set(redis_info.CONFIG_NAMES)


@given(st.text())
def test_no_text_makes_them_raise(text):
    fields = parse(text)
    info_of(fields, 0.0, "")
    engine_of(fields, "")
    for name in redis_info.CONFIG_NAMES:
        directives_of({name: text}, "")


@given(st.dictionaries(st.sampled_from([line.split(":")[0] for line in INFO.splitlines()]), st.text()))
def test_no_values_make_them_raise(fields):
    info_of(fields, 0.0, "")
    write_rate(fields, fields, 1.0, "")
    keyspace(fields)


def test_a_server_cannot_speak_to_the_readers_terminal():
    fields = parse("redis_version:\x1b[2J7.0\nmem_allocator:a\x07b\nserver_name:\x1bevil\n")
    assert "".join(fields.values()).isprintable()
    assert engine_of(fields, "here")[0] == "redis"


@pytest.mark.parametrize(
    ("told", "ratio"),
    [
        pytest.param({"cmdstat_set": "calls=30,usec=9", "cmdstat_zadd": "calls=10,usec=9"}, 0.25, id="a quarter"),
        pytest.param({"cmdstat_get": "calls=30,usec=9"}, 0.0, id="no write at all"),
        pytest.param({"cmdstat_zincrby": "calls=3,usec=9"}, 1.0, id="nothing else"),
    ],
)
def test_the_share_of_sorted_sets_is_that_of_the_write_commands(told, ratio):
    assert redis_info.sorted_set_ratio(told, "here") == ratio


def test_without_command_statistics_the_share_is_unread():
    assert isinstance(redis_info.sorted_set_ratio({"used_memory": "1"}, "here"), Unread)
