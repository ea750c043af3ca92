import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes.redis_link import Link, connect
from checker.probes.sample import Key, group, read, size_bucket

keys = st.builds(
    Key,
    key_bytes=st.integers(0, 2**20),
    value_bytes=st.integers(0, 2**29),
    type=st.sampled_from(["string", "hash"]),
    encoding=st.sampled_from(["raw", "listpack"]),
    elements=st.integers(0, 2**20),
)


@given(st.lists(keys, min_size=1, max_size=50), st.integers(1, 10**9))
def test_the_groups_add_up_to_all_keys(sampled, total):
    populations = group(sampled, total)
    assert sum(population.keys for population in populations) == total
    assert all(population.keys > 0 for population in populations)


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_larger_value_is_in_no_smaller_bucket(first, second):
    small, large = sorted((first, second))
    assert size_bucket(small) <= size_bucket(large)


def test_keys_alike_are_one_group_with_their_mean():
    (population,) = group([Key(10, 100, "string", "raw", 1), Key(12, 104, "string", "raw", 1)], 1000)
    assert (population.keys, population.value_bytes, population.key_bytes) == (1000, 102.0, 11.0)


def test_keys_that_differ_are_kept_apart():
    populations = group([Key(10, 100, "string", "raw", 1), Key(10, 9000, "string", "raw", 1)], 10)
    assert [population.keys for population in populations] == [5, 5]


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


DATA = {
    0: {b"key:1": (b"string", b"raw", 100, 180), b"h": (b"hash", b"listpack", 3, 200)},
    3: {b"gone": (b"none", b"", 0, 0), b"s": (b"stream", b"stream", 9, 700)},
}


def server(heard, refused=()):
    names = {database: itertools.cycle(sorted(data)) for database, data in DATA.items()}
    chosen = [0]

    def answer(words):
        heard.append(words[0])
        if words[0] in refused:
            return b"-NOPERM this user has no permissions\r\n"
        data = DATA[chosen[0]]
        match words:
            case [b"SELECT", database]:
                chosen[0] = int(database)
                return b"+OK\r\n"
            case [b"RANDOMKEY"]:
                return bulk(next(names[chosen[0]]))
            case [b"TYPE", name]:
                return b"+%b\r\n" % data[name][0]
            case [b"OBJECT", b"ENCODING", name]:
                return bulk(data[name][1]) if name != b"gone" else b"-ERR no such key\r\n"
            case [b"STRLEN" | b"HLEN" | b"XLEN", name]:
                return b":%d\r\n" % data[name][2]
            case [b"MEMORY", b"USAGE", name]:
                return b":%d\r\n" % data[name][3]
            case [b"EXISTS", _]:
                return b":1\r\n"
            case _:
                return b"-ERR unknown command\r\n"

    return answer


def sample(url, count=8, seconds=5.0, keyspace=None):
    with connect(url, None, 2.0, 5.0) as link:
        assert isinstance(link, Link)
        return read(link, {0: 20, 3: 20} if keyspace is None else keyspace, count, seconds)


def test_all_databases_are_sampled_by_their_share_of_keys(redis_like):
    heard: list[bytes] = []
    populations = sample(redis_like(server(heard)))
    assert not isinstance(populations, Unread)
    assert {(one.type, one.encoding, one.elements) for one in populations} == {
        ("string", "raw", 1.0),
        ("hash", "listpack", 3.0),
        ("stream", "stream", 9.0),
    }
    assert sum(one.keys for one in populations) == 40
    string = next(one for one in populations if one.type == "string")
    assert (string.value_bytes, string.key_bytes) == (100.0, 5.0)


def test_only_reading_commands_are_sent(redis_like):
    heard: list[bytes] = []
    sample(redis_like(server(heard)))
    assert set(heard) <= {
        *(b"SELECT", b"RANDOMKEY", b"TYPE", b"OBJECT", b"MEMORY", b"EXISTS", b"CLIENT"),
        *(b"STRLEN", b"HLEN", b"LLEN", b"SCARD", b"ZCARD", b"XLEN"),
    }


@pytest.mark.parametrize("command", [b"RANDOMKEY", b"TYPE", b"MEMORY", b"SELECT"])
def test_a_refused_command_says_so(redis_like, command):
    answer = sample(redis_like(server([], refused=[command])))
    assert isinstance(answer, Unread)
    assert "NOPERM" in answer.why


def test_time_ends_it_early(redis_like):
    heard: list[bytes] = []
    sample(redis_like(server(heard)), count=100_000, seconds=0.0)
    assert heard.count(b"RANDOMKEY") <= 2 * 64


def test_an_empty_server_has_no_shape(redis_like):
    assert sample(redis_like(server([])), keyspace={}) == ()
