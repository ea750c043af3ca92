import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes import overcommit

ZONE = """Node 0, zone   Normal
  pages free     1000
        min      10
        low      20
        high     30
        spanned  5000
        present  5000
        managed  {managed}
        protection: (0, 100, 400, 200)
"""
VMSTAT = """nr_free_pages 1000
nr_file_pages 500
nr_shmem 50
nr_slab_reclaimable 70
nr_kernel_misc_reclaimable 7
"""


def test_free_is_what_the_kernel_added_up_before_5_2():
    pages = 1000 + 500 - 50 + 70 + 7 - (400 + 30)
    assert overcommit.guess_free(VMSTAT, ZONE.format(managed=5000), 8192, 4096) == pages * 4096 + 8192


def test_a_zone_reserves_no_more_than_it_has():
    assert overcommit.parse_totalreserve(ZONE.format(managed=99)) == 99


def test_a_kernel_before_4_20_counts_misc_in_bytes():
    old = VMSTAT.replace("nr_kernel_misc_reclaimable 7", "nr_indirectly_reclaimable_bytes 12345")
    new = VMSTAT.replace("nr_kernel_misc_reclaimable 7", "nr_kernel_misc_reclaimable 0")
    zones = ZONE.format(managed=5000)
    first, second = (overcommit.guess_free(text, zones, 0, 4096) for text in (old, new))
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert first - second == 12345


@pytest.mark.parametrize("name", ["nr_free_pages", "nr_file_pages", "nr_shmem", "nr_slab_reclaimable"])
def test_a_missing_counter_is_named(name):
    answer = overcommit.guess_free(VMSTAT.replace(name, "x"), ZONE.format(managed=1), 0, 4096)
    assert isinstance(answer, Unread)
    assert name in answer.where


def test_overcommit_kbytes_are_given_in_bytes(tree):
    root = tree({"proc/sys/vm/overcommit_kbytes": "4\n", "proc/sys/vm/overcommit_memory": "2\n"})
    vm = overcommit.read(root)
    assert vm.overcommit_kbytes == 4096
    assert vm.overcommit_memory == 2
    assert isinstance(vm.user_reserve_kbytes, Unread)


@pytest.mark.parametrize("text", ["3\n", "-1", "", "1 2", "\0"])
def test_no_other_mode_exists(text):
    assert isinstance(overcommit.parse_mode(text), Unread)


@given(st.text(), st.text(), st.integers(0, 2**64))
def test_no_text_makes_it_raise(vmstat, zoneinfo, swap):
    overcommit.guess_free(vmstat, zoneinfo, swap, 4096)
    overcommit.guess_free(VMSTAT + vmstat, ZONE.format(managed=5000) + zoneinfo, swap, 4096)
    overcommit.parse_mode(vmstat)
