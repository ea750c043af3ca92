import pytest

from checker.units import MIB
from tests.build import NEVER_FORKS, UNREAD, a_config, a_manifest, a_server, a_volume
from tests.rules.asking import ask, status, verdict_on

RULE = "snapshot-on-memory-volume"
TMPFS = a_volume(filesystem="tmpfs", in_memory=True)


@pytest.mark.parametrize(
    ("volume", "answer"),
    [
        pytest.param(a_volume(), "pass", id="disk"),
        pytest.param(TMPFS, "warn", id="tmpfs"),
        pytest.param(a_volume(filesystem=UNREAD, in_memory=UNREAD), "unknown", id="unread"),
        pytest.param(a_volume(filesystem=UNREAD), "pass", id="a disk of unread kind"),
    ],
)
def test_files_in_memory_are_warned_of(volume, answer):
    assert status(RULE, a_server(volume=volume)) == answer


def test_a_running_server_needs_the_new_file_for_the_old_one_is_held_already():
    there = a_volume(filesystem="tmpfs", in_memory=True, files_bytes=90 * MIB)
    on_disk, in_memory = (verdict_on(a_server(volume=each)).estimate for each in (a_volume(), there))
    assert in_memory.peak_expected_bytes - on_disk.peak_expected_bytes == 90 * MIB


def test_a_manifest_needs_the_old_file_and_the_new_one():
    on_disk, in_memory = (verdict_on(a_manifest(volume=each)).estimate for each in (a_volume(), TMPFS))
    assert in_memory.peak_worst_bytes - on_disk.peak_worst_bytes == 2 * on_disk.resident_bytes


def test_an_unread_directory_has_no_name():
    assert "Permission" not in ask(RULE, a_server(volume=TMPFS, config=a_config(directory=UNREAD))).message


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(a_config(**NEVER_FORKS), id="never forks"),
        pytest.param(a_config(save=(), replicas_possible=True), id="replication alone"),
    ],
)
def test_it_does_not_ask_where_nothing_is_saved_there(config):
    assert ask(RULE, a_server(volume=TMPFS, config=config)) is None
