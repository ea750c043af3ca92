"""Each input from the best source that has it, and named after it."""

import pytest

from checker.facts import UNLIMITED
from checker.rules import judge
from checker.units import GIB, MIB
from tests.build import UNREAD, a_config, a_manifest, a_process, a_server, a_server_elsewhere, an_info, declares
from tests.rules.asking import verdict_on


def estimate(server, **stated):
    return verdict_on(server, **stated).estimate


@pytest.mark.parametrize(
    ("server", "size", "source"),
    [
        pytest.param(a_server(info=an_info(used_memory_rss=GIB)), 400 * MIB, "measured RssAnon", id="process"),
        pytest.param(a_server_elsewhere(), 400 * MIB, "INFO used_memory_rss", id="INFO"),
        pytest.param(
            a_manifest(), 660 * MIB, "maxmemory (/etc/redis/redis.conf line 12) × fragmentation 1.1", id="maxmemory"
        ),
        pytest.param(a_manifest(maxmemory=0, declared=declares(dataset=MIB)), MIB, "bgsafe.io/dataset", id="declared"),
    ],
)
def test_the_resident_size(server, size, source):
    found = estimate(server)
    assert found.resident_bytes == size
    assert source in found.sources["resident_bytes"]


def test_a_process_whose_memory_is_unread_is_judged_at_maxmemory():
    assert estimate(a_server(process=a_process(rss_anon=UNREAD))).resident_bytes == 660 * MIB


@pytest.mark.parametrize("server", [a_manifest(maxmemory=0), a_manifest(maxmemory=UNREAD)], ids=["unbounded", "unread"])
def test_without_any_size_there_is_no_estimate(server):
    assert estimate(server) is None


RATES = declares(write_rate_per_second=7.0)


@pytest.mark.parametrize(
    ("server", "stated", "rate", "source"),
    [
        pytest.param(
            a_server(info=an_info(), declared=RATES), {"write_rate_per_second": 5.0}, 5, "--write-rate", id="stated"
        ),
        pytest.param(a_server(info=an_info(), declared=RATES), {}, 100, "rdb_changes_since_last_save", id="measured"),
        pytest.param(a_server(declared=RATES), {}, 7, "bgsafe.io/write-rate", id="declared"),
        pytest.param(a_server(), {}, 1000, "nothing was measured", id="policy"),
        pytest.param(a_server(), {"write_rate_per_second": 0.0}, 0, "--write-rate", id="zero is a rate"),
    ],
)
def test_the_write_rate(server, stated, rate, source):
    found = estimate(server, **stated)
    assert found.write_rate_per_second == rate
    assert source in found.sources["write_rate_per_second"]


SLOW = declares(save_throughput_per_second=40 * MIB)


@pytest.mark.parametrize(
    ("server", "stated", "seconds"),
    [
        pytest.param(a_server(info=an_info(rdb_last_bgsave_time_sec=9)), {"save_seconds": 2.0}, 2, id="stated"),
        pytest.param(
            a_server(info=an_info(rdb_last_bgsave_time_sec=9)), {"save_throughput_per_second": 100 * MIB}, 4, id="speed"
        ),
        pytest.param(a_server(info=an_info(rdb_last_bgsave_time_sec=9)), {}, 9, id="slower than the policy's speed"),
        pytest.param(a_server(info=an_info(rdb_last_bgsave_time_sec=2)), {}, 3, id="faster: the second is full"),
        pytest.param(a_server(info=an_info(rdb_last_bgsave_time_sec=4)), {}, 5, id="the policy's speed is within it"),
        pytest.param(a_server(info=an_info(rdb_last_bgsave_time_sec=-1)), {}, 5, id="it has not saved yet"),
        pytest.param(a_server(declared=SLOW), {}, 10, id="declared"),
        pytest.param(a_server(), {}, 5, id="policy"),
    ],
)
def test_the_save_time(server, stated, seconds):
    assert estimate(server, **stated).save_seconds == pytest.approx(seconds)


def test_the_page_size_is_the_machines_or_assumed():
    assert estimate(a_server()).sources["page_size_bytes"] == "the machine"
    assert estimate(a_manifest()).sources["page_size_bytes"].startswith("assumed")


def test_the_fragmentation_that_is_stated_goes_before_the_policys():
    assert estimate(a_manifest(), fragmentation_ratio=1.5).resident_bytes == 900 * MIB


def test_a_number_of_keys_of_a_size_is_the_shape_of_the_data():
    found = estimate(a_server(), keys=2_000_000, value_bytes=100)
    assert "2,000,000 keys with values of 100 bytes" in found.sources["pages_per_write"]
    assert found.pages_per_write == pytest.approx(3.02, abs=0.01)  # three regions, and now and then a second page


def test_the_number_of_keys_may_come_from_the_server():
    assert "1,000,000 keys" in estimate(a_server(info=an_info()), value_bytes=100).sources["pages_per_write"]


def test_a_shape_that_does_not_account_for_the_memory_is_not_believed():
    found = estimate(a_server(), keys=100_000_000, value_bytes=100)
    assert found.pages_per_write == 3
    assert "does not account" in found.sources["pages_per_write"]


def test_zero_and_unlimited_and_unread_differ_in_maxmemory_and_limit():
    assert estimate(a_server(config=a_config(maxmemory=0))).maxmemory_bytes == 0
    unread = estimate(a_server(config=a_config(maxmemory=UNREAD)))
    assert unread.maxmemory_bytes is None
    assert unread.sources["maxmemory_bytes"].startswith("unread: ")
    assert estimate(a_manifest(limit=UNLIMITED)).sources["limit_bytes"].startswith("no limit")
    assert estimate(a_manifest(limit=UNREAD)).sources["limit_bytes"].startswith("unread: ")


def test_the_estimate_of_a_server_elsewhere_says_whose_kernel_was_not_asked():
    assert "another machine" in judge(a_server_elsewhere(), None).fork.reason
