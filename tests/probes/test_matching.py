from pathlib import Path

import pytest

from checker.facts import Unread
from checker.probes import matching
from checker.probes.redis_info import Answer, info_of
from checker.probes.servers import find

FIXTURES = Path(__file__).parents[1] / "fixtures"
FIELDS = {"process_id": "1", "tcp_port": "6379", "uptime_in_seconds": "100", "used_memory_rss": "1000000000"}


def answer(**changes: str) -> Answer:
    fields = FIELDS | changes
    return Answer(
        where="redis://h:1",
        fields=fields,
        info=info_of(fields, 0.0, ""),
        engine_name="redis",
        version="7.0.15",
        directives=(),
        shape=None,
        asked_at=50.0,
    )


PROCESS = {"pid": 1, "port": 6379, "age": 105.0, "rss": 1_000_000_000, "now": 51.0}


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        pytest.param({}, True, id="all alike"),
        pytest.param({"pid": 2}, False, id="another pid"),
        pytest.param({"pid": None}, False, id="no pid"),
        pytest.param({"port": 6380}, False, id="another port"),
        pytest.param({"port": None}, True, id="port not known"),
        pytest.param({"age": 50.0}, False, id="a process younger than the server"),
        pytest.param({"age": 9999.0}, True, id="an entry point that worked first"),
        pytest.param({"rss": 2_000_000_000}, False, id="another size: a pid 1 elsewhere"),
        pytest.param({"rss": Unread("", "")}, True, id="size not known"),
    ],
)
def test_what_is_known_must_agree(changes, fits):
    assert matching.fits(answer(), **(PROCESS | changes)) is fits


def test_an_answer_without_a_pid_fits_nobody():
    assert matching.fits(answer(process_id=""), **PROCESS) is False


def captured():
    root = FIXTURES / "proc_redis_7.0_v1_cgroup"
    found, _, _ = find(root)
    return root, found


def its_answer(**changes: str) -> Answer:
    root, found = captured()
    rss = matching.read_status(root / "proc" / str(found[0].pid))
    assert not isinstance(rss, Unread)
    told = {"process_id": str(found[0].pid), "tcp_port": "17401", "used_memory_rss": str(rss.size("VmRSS"))}
    return answer(**(told | changes))


def test_an_answer_is_given_to_its_process():
    root, found = captured()
    assert matching.process_of(its_answer(), root, found, Unread("", "")) == found[0]


def test_an_answer_from_elsewhere_says_what_to_do():
    root, found = captured()
    problem = matching.process_of(its_answer(process_id="1"), root, found, Unread("", ""))
    assert isinstance(problem, Unread)
    assert problem.remedy


def test_two_processes_alike_are_not_guessed_between():
    root, found = captured()
    problem = matching.process_of(its_answer(), root, found * 2, Unread("", ""))
    assert isinstance(problem, Unread)
    assert "any of" in problem.why
