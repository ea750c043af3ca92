import pytest

from checker.estimate.causes import fork_causes
from tests.build import NEVER_FORKS, UNREAD, a_child, a_config, a_process, a_server, an_engine, an_info


@pytest.mark.parametrize(
    ("config", "causes"),
    [
        pytest.param(a_config(), ("rdb",), id="save points"),
        pytest.param(a_config(**NEVER_FORKS), (), id="none"),
        pytest.param(a_config(save=(), appendonly=True), ("aof",), id="AOF"),
        pytest.param(a_config(save=(), appendonly=True, auto_aof_rewrite_percentage=0), (), id="AOF, never rewritten"),
        pytest.param(a_config(save=(), replicas_possible=True), ("replication",), id="replicas, persistence off"),
        pytest.param(a_config(forkless=True), (), id="forkless save"),
        pytest.param(
            a_config(forkless=True, replicas_possible=True), ("replication",), id="forkless save, full sync forks"
        ),
        pytest.param(
            a_config(appendonly=True, replicas_possible=True), ("rdb", "aof", "replication"), id="all, in this order"
        ),
    ],
)
def test_what_makes_a_server_fork(config, causes):
    assert fork_causes(a_server(config=config)) == (causes, bool(causes))


def test_an_attached_replica_is_a_cause_whatever_the_configuration_says():
    server = a_server(config=a_config(**NEVER_FORKS), info=an_info(connected_slaves=1))
    assert fork_causes(server) == (("replication",), True)


def test_a_child_that_is_saving_is_proof():
    server = a_server(config=a_config(**NEVER_FORKS), process=a_process(child=a_child()))
    assert fork_causes(server) == (("rdb",), True)


def test_an_engine_that_never_forks_needs_no_configuration():
    server = a_server(engine=an_engine(name="dragonfly", forks=False), config=a_config(save=UNREAD))
    assert fork_causes(server) == ((), False)


@pytest.mark.parametrize("field", ["save", "appendonly", "replicas_possible"])
def test_unread_configuration_leaves_it_open(field):
    assert fork_causes(a_server(config=a_config(**{**NEVER_FORKS, field: UNREAD}))) == ((), UNREAD)


def test_unread_configuration_does_not_hide_a_known_cause():
    assert fork_causes(a_server(config=a_config(appendonly=UNREAD))) == (("rdb",), True)
