from hypothesis import given
from hypothesis import strategies as st

from checker.probes.mountinfo import Mount, holding, parse

TEXT = r"""27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
28 27 0:30 / /data rw shared:7 master:1 - tmpfs tmpfs rw,size=1024k
29 27 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
30 27 0:32 / /my\040data rw - ext4 /dev/a\040b rw
"""


def test_optional_fields_and_escapes():
    root, data, memory, blank = parse(TEXT)
    assert root == Mount("/", "/", "ext4", frozenset({"rw", "discard"}))
    assert data.filesystem == "tmpfs"
    assert (memory.root, memory.mount_point, "memory" in memory.super_options) == (
        "/docker/abc",
        "/sys/fs/cgroup/memory",
        True,
    )
    assert blank.mount_point == "/my data"


def test_the_deepest_mount_holds_a_path():
    mounts = parse(TEXT)
    for path, filesystem in (("/data/x", "tmpfs"), ("/database", "ext4"), ("/my data", "ext4")):
        mount = holding(mounts, path)
        assert mount is not None
        assert mount.filesystem == filesystem


def test_of_two_mounts_on_one_place_the_later_counts():
    mounts = parse(TEXT + "31 28 0:40 / /data rw - xfs /dev/b rw\n")
    mount = holding(mounts, "/data")
    assert mount is not None
    assert mount.filesystem == "xfs"


def test_no_mount_holds_nothing():
    assert holding((), "/data") is None


@given(st.text())
def test_no_text_makes_it_raise(text):
    holding(parse(text), "/data")
    parse(TEXT.replace("tmpfs", text))
