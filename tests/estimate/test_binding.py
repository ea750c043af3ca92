import pytest

from checker.estimate.binding import binding_limit, limit_source
from checker.facts import UNLIMITED, Sourced
from checker.units import GIB, MIB
from tests.build import UNREAD, a_cgroup, a_level, a_manifest, a_node, a_server


def within(*levels):
    return a_server(cgroup=a_cgroup(*levels))


OWN = a_level()  # 2 GiB, 401 MiB held
WIDE = a_level("/sys/fs/cgroup/all", memory_max=8 * GIB, memory_current=GIB)
NARROW = a_level("/sys/fs/cgroup/all", memory_max=8 * GIB, memory_current=7 * GIB)


@pytest.mark.parametrize(
    ("levels", "limit", "held"),
    [
        pytest.param((OWN,), 2 * GIB, OWN.memory_current, id="one level"),
        pytest.param((OWN, WIDE), 2 * GIB, OWN.memory_current, id="an ancestor with more room"),
        pytest.param((OWN, NARROW), 8 * GIB, 7 * GIB, id="an ancestor with less room, though a larger limit"),
        pytest.param((a_level(memory_max=UNLIMITED), WIDE), 8 * GIB, GIB, id="only the ancestor has one"),
        pytest.param((a_level(memory_max=0),), 0, OWN.memory_current, id="zero is a limit"),
    ],
)
def test_the_level_with_least_room_binds(levels, limit, held):
    binding = binding_limit(within(*levels), a_node())
    assert (binding.limit.value, binding.held_bytes) == (limit, held)


def test_page_cache_and_reclaimable_slab_give_way_and_tmpfs_does_not():
    level = a_level(
        memory_current=GIB, inactive_file=100 * MIB, active_file=50 * MIB, slab_reclaimable=10 * MIB, shmem=200 * MIB
    )
    assert binding_limit(within(level), a_node()).held_bytes == GIB - 160 * MIB


@pytest.mark.parametrize("limit", [16 * GIB, 64 * GIB])
def test_a_limit_that_is_not_below_the_machines_memory_is_none(limit):
    server = within(a_level(memory_max=limit))
    binding = binding_limit(server, a_node())
    assert binding.limit.value is UNLIMITED
    assert limit_source(binding.limit).startswith("no limit")


def test_without_a_machine_any_limit_is_one():
    assert binding_limit(a_manifest(limit=1000 * GIB), None).limit.value == 1000 * GIB


@pytest.mark.parametrize("levels", [(a_level(memory_max=UNREAD),), (OWN, a_level(memory_max=UNREAD))])
def test_one_unread_level_makes_the_limit_unread(levels):
    binding = binding_limit(within(*levels), a_node())
    assert binding.limit.value is UNREAD
    assert limit_source(binding.limit).startswith("unread: ")


def test_what_an_unread_usage_holds_is_not_known():
    assert binding_limit(within(a_level(memory_current=UNREAD)), a_node()).held_bytes is None


def test_the_source_of_a_manifests_limit_is_kept():
    assert binding_limit(a_manifest(), None).limit == Sourced(2 * GIB, "resources.limits.memory")
