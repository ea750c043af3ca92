import random
import socket
from collections import Counter

import pytest

from checker.lab.load import Workload, batch_size, collect, make_picker, make_requests
from checker.lab.resp import Connection
from checker.policy import Distribution

KEYS, DRAWS = 1000, 50_000


def drawn(text: str, seed: int = 7) -> Counter[int]:
    return Counter(make_picker(Distribution.parse(text), KEYS, random.Random(seed))(DRAWS))


def top_share(counts: Counter[int], keys: int) -> float:
    return sum(count for _, count in counts.most_common(keys)) / DRAWS


@pytest.mark.parametrize(
    ("distribution", "keys", "share"),
    [
        pytest.param("uniform", 100, 0.12, id="uniform: a tenth of the keys has about a tenth of the writes"),
        pytest.param("hot:10", 100, 0.91, id="hot: 90 % and its part of the rest"),
        pytest.param("zipf:1", 1, 0.1336, id="zipf: the first key has 1/H(1000)"),
        pytest.param("zipf:1", 100, 0.6930, id="zipf: the first hundred have H(100)/H(1000)"),
    ],
)
def test_writes_go_where_the_distribution_says(distribution: str, keys: int, share: float) -> None:
    counts = drawn(distribution)
    assert min(counts) >= 0
    assert max(counts) < KEYS
    assert top_share(counts, keys) == pytest.approx(share, abs=0.012)


def test_zipf_ranks_are_laid_over_the_keys_at_random() -> None:
    hottest = [key for key, _ in drawn("zipf:1").most_common(20)]
    assert hottest != sorted(hottest)
    assert max(hottest) > KEYS / 2


@pytest.mark.parametrize("distribution", ["uniform", "zipf:0.99", "hot:1"])
def test_the_same_seed_draws_the_same_keys(distribution: str) -> None:
    assert drawn(distribution) == drawn(distribution)
    assert drawn(distribution) != drawn(distribution, seed=8)


def test_a_request_is_a_set_of_a_fixed_width_name() -> None:
    workload = Workload(keys=100, value_bytes=5, write_rate_per_second=1)
    request = make_requests(workload, random.Random(1))([42])
    assert request.startswith(b"*3\r\n$3\r\nSET\r\n$10\r\nk000000042\r\n$5\r\n")
    assert len(request) == len(b"*3\r\n$3\r\nSET\r\n$10\r\nk000000042\r\n$5\r\n") + 5 + 2


@pytest.mark.parametrize(
    ("value_bytes", "elements", "size"),
    [(20, 1, 1000), (1000, 1, 249), (150_000, 1, 1), (10**7, 1, 1), (20, 100, 37), (20, 10**6, 1)],
)
def test_a_batch_fits_the_sockets_buffers(value_bytes: int, elements: int, size: int) -> None:
    assert batch_size(value_bytes, elements) == size


@pytest.mark.parametrize(
    ("pieces", "errors"),
    [
        pytest.param([b"+OK\r\n+OK\r\n+OK\r\n"], 0, id="all fine"),
        pytest.param([b"-ERR a-b\r\n+OK\r\n-OOM\r\n"], 2, id="two errors"),
        pytest.param([b"+OK\r\n", b"-ER", b"R x\r\n+OK\r\n"], 1, id="in pieces"),
    ],
)
def test_error_replies_are_counted(pieces: list[bytes], errors: int) -> None:
    ours, theirs = socket.socketpair()
    connection = Connection.__new__(Connection)
    connection.socket = ours
    with ours, theirs:
        for piece in pieces:
            theirs.sendall(piece)
        assert collect(connection, 3) == errors


def test_a_workload_says_itself() -> None:
    workload = Workload(keys=1000, value_bytes=20, write_rate_per_second=500, distribution=Distribution("hot", 10))
    assert str(workload) == "1,000 keys of 20 B, 500 writes/s, hot:10"


def test_a_workload_of_another_type_says_what_is_done_to_what() -> None:
    workload = Workload(keys=1, value_bytes=20, write_rate_per_second=500, type="zset", write="ZADD", elements=1000)
    assert str(workload) == "1 zset keys of 1,000 elements of 20 B, 500 ZADD/s, uniform"


def test_the_writer_is_given_the_workload_as_it_is() -> None:
    workload = Workload(
        keys=7,
        value_bytes=20,
        write_rate_per_second=500,
        distribution=Distribution("hot", 10),
        type="hash",
        write="HSET",
        elements=9,
        settings=(("rdbcompression", "no"),),
    )
    assert Workload.from_json(workload.to_json()) == workload
