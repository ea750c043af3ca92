from checker.facts import Unread
from checker.probes import volume
from checker.probes.inside import Inside

MOUNTS = "27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 0:30 / /data rw - tmpfs tmpfs rw\n"


def test_a_memory_volume_is_seen(tree):
    root = tree({"mountinfo": MOUNTS, "root/data/dump.rdb": "12345", "root/data/appendonlydir/a.aof": "123"})
    seen = volume.read(root, Inside(root / "root", "/data"), "/data", ["dump.rdb", "appendonlydir", "appendonly.aof"])
    assert (seen.filesystem, seen.in_memory, seen.files_bytes) == ("tmpfs", True, 8)


def test_a_disk_with_nothing_on_it_is_zero_bytes(tree):
    root = tree({"mountinfo": MOUNTS, "root/x": ""})
    seen = volume.read(root, Inside(root / "root", "/var"), "/var", ["dump.rdb"])
    assert (seen.filesystem, seen.in_memory, seen.files_bytes) == ("ext4", False, 0)


def test_a_directory_that_is_not_known_is_not_a_disk(tree):
    root = tree({"mountinfo": MOUNTS})
    why = Unread("dir", "hidden")
    seen = volume.read(root, Inside(root / "root", why), why, ["dump.rdb"])
    assert (seen.filesystem, seen.in_memory, seen.files_bytes) == (why, why, why)


def test_mounts_that_cannot_be_read_are_not_a_disk(tmp_path):
    seen = volume.read(tmp_path, Inside(tmp_path / "root", "/data"), "/data", [])
    assert isinstance(seen.in_memory, Unread)
