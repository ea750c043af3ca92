import re

import pytest

from checker.units import GIB, MIB, parse_redis_memory
from tests.build import UNREAD, a_config, a_manifest, a_server, an_engine, an_info, holding, with_limit
from tests.rules.asking import ask, limit_in, status, verdict_on

RULE = "replica-buffer-over-limit"


def with_replicas(**changed):
    return a_config(replicas_possible=True, **changed)


HELD = 400 * MIB + 400 * MIB // 512


@pytest.mark.parametrize(
    ("limit", "answer"),
    [
        pytest.param(HELD + 256 * MIB, "pass", id="just room"),
        pytest.param(HELD + 256 * MIB - 1, "warn", id="one byte short"),
    ],
)
def test_data_and_buffers_must_fit_without_any_copy(limit, answer):
    assert status(RULE, with_limit(a_server(config=with_replicas()), limit)) == answer


@pytest.mark.parametrize(
    ("version", "buffers"),
    [
        pytest.param("6.2.14", 3 * 256 + 1, id="a buffer for each and the backlog"),
        pytest.param("7.0.0", 256, id="one buffer for all"),
        pytest.param(UNREAD, 3 * 256 + 1, id="unread: the side that needs more"),
    ],
)
def test_replicas_share_their_buffer_since_7_0(version, buffers):
    server = a_server(config=with_replicas(), engine=an_engine(version=version), info=an_info(connected_slaves=3))
    assert f"buffers of up to {buffers} MiB" in ask(RULE, server).message


def test_a_shared_buffer_may_grow_to_the_backlog():
    server = a_server(config=with_replicas(repl_backlog_size=512 * MIB))
    assert "up to 512 MiB" in ask(RULE, server).message


def tight(**changed):
    return with_limit(a_server(config=with_replicas(**changed)), HELD + 100 * MIB)


def test_each_of_the_two_numbers_of_the_remedy_is_enough():
    finding = ask(RULE, tight())
    hard = parse_redis_memory(re.search(r"replica to (\d+mb)", finding.remedy)[1])
    assert status(RULE, tight(replica_output_buffer_limit=hard)) == "pass"
    assert status(RULE, with_limit(tight(), limit_in(finding))) == "pass"


def test_a_limit_for_which_there_is_no_room_is_not_recommended():
    server = with_limit(a_server(config=with_replicas()), HELD)
    assert "client-output-buffer-limit" not in ask(RULE, server).remedy


def test_without_a_hard_limit_nothing_bounds_the_buffers():
    assert status(RULE, a_server(config=with_replicas(replica_output_buffer_limit=0))) == "warn"


def test_buffers_without_a_limit_are_expected_to_grow_with_every_write():
    """A 100 KB value 20,000 times a second: the default of 256 MiB would hide gigabytes."""
    stated = {"keys": 4000, "value_bytes": 100_000, "write_rate_per_second": 20_000, "save_seconds": 5}
    server = a_server(config=with_replicas(replica_output_buffer_limit=0))
    estimate = verdict_on(server, **stated).estimate
    assert estimate.peak_expected_bytes > 10 * GIB
    assert estimate.peak_worst_bytes >= estimate.peak_expected_bytes
    assert verdict_on(server, **stated).grade == "unsafe"


def test_an_unread_limit_is_unknown():
    server = a_server(config=with_replicas(replica_output_buffer_limit=UNREAD))
    assert status(RULE, server) == "unknown"
    assert verdict_on(server).grade == "unknown"


def test_a_server_without_replicas_or_limit_is_not_asked():
    assert ask(RULE, a_server(**holding(MIB))) is None
    assert ask(RULE, a_manifest(limit=UNREAD, config=with_replicas())) is None
