import random
import re

import pytest

from checker.lab.kinds import KINDS, OVERWRITE, Items, recorded_name, write_name, write_of

WRITES = [(kind, write) for kind, each in KINDS.items() for write in each.writes]


def items(elements: int = 3) -> Items:
    return Items.make(20, elements, random.Random(1))


@pytest.mark.parametrize(("kind", "write"), [pytest.param(*each, id=" ".join(each)) for each in WRITES])
def test_a_write_is_as_many_commands_as_it_says(kind: str, write: str) -> None:
    operation = write_of(kind, write)[1]
    sent = operation.make(items(), 2)
    # A command begins with a star and the number of its arguments, at the start of a line.
    assert len(re.findall(rb"^\*\d", sent, re.MULTILINE)) == operation.commands
    assert operation.reply_lines >= operation.commands


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_write_is_the_first(kind: str) -> None:
    assert write_of(kind, None)[0] == next(iter(KINDS[kind].writes))


def test_an_unknown_write_is_told_with_those_that_there_are() -> None:
    with pytest.raises(KeyError, match="zset has no write HSET; it has ZADD, ZINCRBY"):
        write_of("zset", "HSET")


def test_values_have_no_line_ends_so_that_replies_can_be_counted() -> None:
    assert all(b"\n" not in value for value in Items.make(5000, 1, random.Random(1)).values)


def test_members_of_a_key_are_all_different() -> None:
    made = items(5000)
    assert len({made.member(number) for number in range(5000)}) == 5000


@pytest.mark.parametrize("write", ["SET", "HSET", "LPUSH+RPOP"])
def test_a_recorded_name_is_read_back(write: str) -> None:
    assert write_name(recorded_name(write)) == write
    assert write_name(None) == write_name(OVERWRITE) == "SET"
