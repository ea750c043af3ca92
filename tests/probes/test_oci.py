import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes import oci
from checker.probes.inside import Inside

ID = "0123456789abcdef" * 4
ARGS = ["docker-entrypoint.sh", "redis-server", "--maxmemory", "2gb", "--save", ""]
PASSED_ON = ("--maxmemory", "2gb", "--save", "")


@pytest.mark.parametrize(
    ("args", "arguments", "answer"),
    [
        pytest.param(ARGS, PASSED_ON, PASSED_ON, id="an entry point and the program"),
        pytest.param(["docker-entrypoint.sh", *PASSED_ON], PASSED_ON, PASSED_ON, id="an entry point that adds it"),
        pytest.param(["redis-server"], (), (), id="no arguments"),
        pytest.param(["sh", "-c", "redis-server --maxmemory $LIMIT"], PASSED_ON, None, id="a script that made others"),
    ],
)
def test_what_fills_the_room_exactly_was_passed_on(args, arguments, answer):
    assert oci.behind_program(args, oci.size(arguments)) == answer


@given(st.lists(st.text(), max_size=6), st.integers(0, 6))
def test_every_tail_is_found_by_its_size(args, start):
    tail = tuple(args[start:])
    assert oci.behind_program(args, oci.size(tail)) == tail


@pytest.mark.parametrize("place", oci.PLACES)
def test_it_is_found_wherever_a_runtime_keeps_it(tree, place):
    root = tree({place.format(ID)[1:]: json.dumps({"process": {"args": ARGS, "env": ["SECRET=1"]}})})
    assert oci.read_args(Inside(root, "/"), ID) == tuple(ARGS)


def test_where_no_runtime_has_it_it_says_so(tmp_path):
    assert isinstance(oci.read_args(Inside(tmp_path, "/"), ID), Unread)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"process": []}', '{"process": {"args": [1]}}', "[" * 100_000])
def test_what_is_no_specification_says_so(text):
    assert isinstance(oci.parse_args(text, "config.json"), Unread)


@given(st.text())
def test_no_text_makes_it_raise(text):
    oci.parse_args(text, "config.json")
