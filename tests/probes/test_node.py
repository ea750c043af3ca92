import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes import node

FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_a_captured_machine_is_read_completely():
    machine, problems = node.read(FIXTURES / "proc_redis_7.0_v1_cgroup")
    assert problems == ()
    assert not [name for name in machine.__slots__ if isinstance(getattr(machine, name), Unread)]
    assert machine.kernel_release == "6.18.44-fc-v657"
    assert machine.cpu_count == 2
    assert machine.overcommit_memory == 0
    assert machine.thp_enabled == "madvise"


def test_an_empty_tree_does_not_borrow_from_this_machine(tmp_path):
    machine, _ = node.read(tmp_path)
    known = {name for name in machine.__slots__ if not isinstance(getattr(machine, name), Unread)}
    assert known == {"page_size_bytes"}
    assert machine.page_size_bytes == os.sysconf("SC_PAGESIZE")


def test_the_page_size_comes_from_the_tree_where_it_says(tree):
    machine, problems = node.read(tree({"bgsafe-facts.json": '{"page_size_bytes": 65536, "cpu_count": 3}'}))
    assert (machine.page_size_bytes, machine.cpu_count, problems) == (65536, 3, ())


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"page_size_bytes": 5000}', '{"page_size_bytes": "4096"}', '{"cpu_count": 0}', '{"cpu_count": true}'],
)
def test_a_wrong_facts_file_is_a_problem_and_not_a_default(tree, text):
    _, problems = node.read(tree({"bgsafe-facts.json": text}))
    assert len(problems) == 1
    assert problems[0].remedy


@pytest.mark.parametrize(("text", "count"), [("0\n", 1), ("0-3,8\n", 5), ("0-1,1-2", 3)])
def test_cpus_are_counted(text, count):
    assert node.parse_cpu_list(text) == count


@pytest.mark.parametrize("text", ["", "3-1", "a", "0-", "-1", "0,,1"])
def test_what_is_no_list_of_cpus_says_so(text):
    assert isinstance(node.parse_cpu_list(text), Unread)


def test_cpus_are_counted_in_proc_stat_where_sys_is_missing(tree):
    assert node.read_cpu_count(tree({"proc/stat": "cpu  1 2\ncpu0 1\ncpu1 1\nintr 5\n"})) == 2


@given(st.text())
def test_no_text_makes_them_raise(text):
    node.parse_cpu_list(text)
    node.parse_architecture(text, "here")
