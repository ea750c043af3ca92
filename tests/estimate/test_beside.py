from math import inf

import pytest

from checker.estimate.beside import buffers, memory_file_bytes, replica_buffer_limit_bytes, replicas
from checker.facts import Population
from checker.model.workload import Workload
from checker.policy import Distribution
from checker.units import GIB, MIB
from tests.build import UNREAD, a_config, a_server, a_volume, an_engine, an_info

OLD = an_engine(version="6.2.14")
WORKLOAD = Workload(
    resident_bytes=GIB,
    page_size_bytes=4096,
    copy_unit_bytes=4096,
    engine=OLD,
    shape=(Population(1_000_000, 900, 16),),
    distribution=Distribution(),
    compression=True,
)


@pytest.mark.parametrize(
    ("info", "count"),
    [
        pytest.param(None, 1, id="nobody asked: the one that may come"),
        pytest.param(an_info(connected_slaves=0), 1, id="none yet"),
        pytest.param(an_info(connected_slaves=3), 3, id="three"),
        pytest.param(an_info(connected_slaves=UNREAD), 1, id="unread"),
    ],
)
def test_how_many_replicas_may_sync(info, count):
    assert replicas(a_server(info=info)) == count


@pytest.mark.parametrize(
    ("engine", "config", "limit"),
    [
        pytest.param(OLD, a_config(), 2 * 256 * MIB + MIB, id="6.2: each its own, and the backlog"),
        pytest.param(an_engine(), a_config(), 256 * MIB, id="7.2: one for all"),
        pytest.param(an_engine(), a_config(repl_backlog_size=GIB), GIB, id="7.2: the backlog may be larger"),
        pytest.param(an_engine(), a_config(replica_output_buffer_limit=0), inf, id="0 is no limit"),
        pytest.param(
            an_engine(),
            a_config(replica_output_buffer_limit=UNREAD, repl_backlog_size=UNREAD),
            256 * MIB,
            id="unread: the default",
        ),
    ],
)
def test_where_the_replicas_buffers_end(engine, config, limit):
    server = a_server(engine=engine, config=config, info=an_info(connected_slaves=2))
    assert replica_buffer_limit_bytes(server) == limit


@pytest.mark.parametrize(
    ("causes", "engine", "per_write", "limit"),
    [
        pytest.param(("rdb",), OLD, 0, 0, id="no buffer"),
        pytest.param(("replication",), OLD, 1000, 257 * MIB, id="replication"),
        pytest.param(("aof",), OLD, 1000, GIB, id="AOF rewrite before 7.0"),
        pytest.param(("aof",), an_engine(name="keydb", version="6.3.4"), 1000, GIB, id="KeyDB is Redis 6"),
        pytest.param(("aof",), an_engine(), 0, 0, id="multi-part AOF since 7.0"),
        pytest.param(("aof", "replication"), OLD, 2000, GIB + 257 * MIB, id="both"),
    ],
)
def test_what_a_write_adds_to_buffers(causes, engine, per_write, limit):
    assert buffers(a_server(engine=engine), causes, WORKLOAD) == (per_write, limit)


TMPFS = a_volume(in_memory=True, filesystem="tmpfs")


@pytest.mark.parametrize(
    ("volume", "held_known", "size"),
    [
        pytest.param(a_volume(), True, 0, id="disk"),
        pytest.param(TMPFS, True, GIB, id="no file yet: as large as the data"),
        pytest.param(TMPFS, False, 2 * GIB, id="what is held is not known: the old file and the new"),
        pytest.param(a_volume(in_memory=True, files_bytes=MIB), True, MIB, id="as large as the last"),
        pytest.param(a_volume(in_memory=UNREAD), True, 0, id="unread"),
    ],
)
def test_files_in_memory(volume, held_known, size):
    assert memory_file_bytes(a_server(volume=volume), ("rdb",), GIB, held_known=held_known) == size


def test_a_server_that_only_syncs_replicas_writes_no_file():
    assert memory_file_bytes(a_server(volume=TMPFS), ("replication",), GIB, held_known=True) == 0
