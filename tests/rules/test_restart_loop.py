import pytest

from checker.units import GIB
from tests.build import UNREAD, a_config, a_manifest, a_server, a_volume, an_info, with_limit
from tests.rules.asking import ask, limit_in, status

RULE = "restart-loop"


def on_disk(size, **changed):
    return a_server(volume=a_volume(files_bytes=size), **changed)


@pytest.mark.parametrize(
    ("size", "answer"),
    [
        pytest.param(2 * GIB, "pass", id="as large as the limit"),
        pytest.param(2 * GIB + 1, "warn", id="one byte more"),
        pytest.param(0, None, id="nothing there"),
        pytest.param(UNREAD, None, id="unread"),
    ],
)
def test_what_is_on_disk_must_fit(size, answer):
    assert status(RULE, on_disk(size)) == answer


def test_with_the_limit_of_the_remedy_it_fits():
    server = on_disk(3 * GIB)
    assert status(RULE, with_limit(server, limit_in(ask(RULE, server)))) == "pass"


@pytest.mark.parametrize(
    ("loading", "appendonly", "answer"),
    [
        pytest.param(False, True, "pass", id="an AOF that is loaded"),
        pytest.param(True, True, "warn", id="an AOF while it loads"),
        pytest.param(False, False, "warn", id="an RDB, which never takes less"),
    ],
)
def test_a_loaded_aof_holds_what_is_resident_however_long_it_is(loading, appendonly, answer):
    server = on_disk(3 * GIB, config=a_config(appendonly=appendonly), info=an_info(loading=loading))
    assert status(RULE, server) == answer


def test_a_manifest_does_not_know_what_is_on_disk():
    assert ask(RULE, a_manifest()) is None
