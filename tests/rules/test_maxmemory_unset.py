from dataclasses import replace

import pytest

from checker.facts import UNLIMITED
from checker.units import GIB, MIB
from tests.build import (
    NEVER_FORKS,
    UNREAD,
    a_config,
    a_manifest,
    a_server,
    an_engine,
    declares,
    holding,
    with_maxmemory,
)
from tests.rules.asking import ask, maxmemory_in, status, verdict_on

RULE = "maxmemory-unset"


@pytest.mark.parametrize(
    ("maxmemory", "answer"),
    [
        pytest.param(0, "fail", id="zero is Redis' own no limit"),
        pytest.param(1, "pass", id="one byte"),
        pytest.param(UNREAD, "unknown", id="unread"),
    ],
)
@pytest.mark.parametrize("build", [a_manifest, a_server])
def test_a_server_that_forks_under_a_limit_needs_a_bound(build, maxmemory, answer):
    assert status(RULE, with_maxmemory(build(), maxmemory)) == answer


def test_a_server_that_never_forks_is_only_warned():
    assert status(RULE, a_manifest(config=a_config(maxmemory=0, **NEVER_FORKS))) == "warn"


def test_without_a_limit_there_is_nothing_to_stay_below():
    assert ask(RULE, a_manifest(limit=UNLIMITED, maxmemory=0)) is None


@pytest.mark.parametrize("field", ["maxmemory", "dataset"])
def test_what_the_owner_declares_bounds_it(field):
    assert status(RULE, a_manifest(maxmemory=0, declared=declares(**{field: 100 * MIB}))) == "pass"


def test_an_annotation_cannot_make_maxmemory_smaller_than_the_configuration_does():
    low, high = (a_manifest(declared=declares(maxmemory=size)) for size in (100 * MIB, 900 * MIB))
    assert verdict_on(low).estimate.maxmemory_bytes == 600 * MIB
    assert verdict_on(high).estimate.maxmemory_bytes == 900 * MIB


def test_a_declared_dataset_does_not_hide_a_maxmemory():
    server = a_manifest(maxmemory=GIB, declared=declares(dataset=MIB))
    assert verdict_on(server).estimate.resident_bytes == round(1.1 * GIB)


def test_engines_that_do_not_fork_pass():
    assert status(RULE, a_manifest(maxmemory=0, engine=an_engine(name="dragonfly", forks=False))) == "pass"


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(a_manifest(maxmemory=0), id="manifest"),
        pytest.param(a_server(config=a_config(maxmemory=0)), id="400 MiB resident"),
        pytest.param(a_server(config=a_config(maxmemory=0), **holding(2 * MIB)), id="nearly empty"),
    ],
)
def test_with_the_maxmemory_that_the_remedy_names_it_is_no_longer_unsafe(server):
    assert verdict_on(server).grade == "unsafe"
    maxmemory = maxmemory_in(ask(RULE, server))
    assert maxmemory > 800 * MIB
    followed = verdict_on(with_maxmemory(server, maxmemory))
    assert followed.grade in ("safe", "risky")
    assert status("peak-at-maxmemory", followed.server) in ("pass", None)


def test_a_replica_is_told_that_its_primary_decides():
    assert "primary" in ask(RULE, a_server(config=a_config(maxmemory=0, replicaof=True))).remedy


def test_the_owner_of_a_manifest_may_declare_what_it_does_not_say():
    server = a_manifest(maxmemory=UNREAD)
    assert "bgsafe.io/maxmemory" in ask(RULE, server).remedy
    assert status(RULE, replace(server, declared=declares(maxmemory=600 * MIB))) == "pass"
    assert "annotation" not in ask(RULE, with_maxmemory(a_server(), UNREAD)).remedy
