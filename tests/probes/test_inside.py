import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes.inside import Inside, of_process


@pytest.fixture
def jail(tmp_path: Path) -> Inside:
    """A container's root, with a secret of the host beside it."""
    (tmp_path / "secret").write_text("of the host")
    root = tmp_path / "root"
    (root / "etc/redis/conf.d").mkdir(parents=True)
    (root / "etc/redis/redis.conf").write_text("port 1\n")
    for name in ("b.conf", "a.conf", ".hidden.conf", "c.txt"):
        (root / "etc/redis/conf.d" / name).write_text(name)
    (root / "etc/real").symlink_to("/etc/redis/redis.conf")
    (root / "etc/relative").symlink_to("../etc/./redis/redis.conf")
    (root / "etc/out").symlink_to("/../../secret")
    (root / "etc/up").symlink_to("../../../../../../secret")
    (root / "etc/abs").symlink_to(str(tmp_path / "secret"))
    (root / "etc/loop").symlink_to("/etc/loop")
    (root / "etc/dirlink").symlink_to("/etc/redis")
    os.mkfifo(root / "etc/fifo")
    return Inside(root, "/etc/redis")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/redis/redis.conf",
        "redis.conf",
        "/etc/real",
        "/etc/relative",
        "/etc/dirlink/redis.conf",
        "../real",
        "/../etc/real",
    ],
)
def test_links_are_followed_as_the_process_would(jail, path):
    assert jail.read_text(path) == "port 1\n"


@pytest.mark.parametrize("path", ["/etc/out", "/etc/up", "/etc/abs", "/../secret", "../../../secret"])
def test_no_link_leads_out(jail, path):
    assert isinstance(jail.read_text(path), Unread)


@pytest.mark.parametrize(
    "path", ["/etc/fifo", "/etc/loop", "/etc", "/etc/none", "/etc/redis/redis.conf/x", "/a\0b", ""]
)
def test_what_is_no_file_says_so_and_does_not_hang(jail, path):
    assert isinstance(jail.read(path), Unread)


def test_a_relative_path_needs_the_working_directory(jail):
    assert isinstance(Inside(jail.root, Unread("cwd", "denied")).read("redis.conf"), Unread)


def test_patterns_match_as_glob_does(jail):
    assert jail.glob("/etc/redis/conf.d/*.conf") == ("/etc/redis/conf.d/a.conf", "/etc/redis/conf.d/b.conf")
    assert jail.glob("conf.d/.h*") == ("/etc/redis/conf.d/.hidden.conf",)
    assert jail.glob("/etc/redis/[rx]edis.conf") == ("/etc/redis/redis.conf",)
    assert jail.glob("/etc/none.conf") == ("/etc/none.conf",)
    assert jail.glob("/etc/redis/conf.d/*.none") == ()
    assert isinstance(jail.glob("/none/*.conf"), Unread)


def test_descriptors_are_closed(jail):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("/etc/real", "/etc/loop", "/etc/fifo", "/etc/none", "/etc"):
        jail.read(path)
        jail.status(path)
        jail.names(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_chroots_own_path_is_cut_off_the_working_directory(tmp_path):
    (tmp_path / "root").symlink_to("/srv/jail")
    (tmp_path / "cwd").symlink_to("/srv/jail/data")
    assert of_process(tmp_path).directory == "/data"
    (tmp_path / "cwd").unlink()
    (tmp_path / "cwd").symlink_to("/srv/jail")
    assert of_process(tmp_path).directory == "/"


@given(path=st.text(max_size=40), parts=st.lists(st.sampled_from(["..", "etc", "out", "dirlink", "up", "x", "", "."])))
def test_no_path_reads_the_host(path, parts):
    root = Path(__file__).parents[1] / "fixtures/proc_redis_7.0_saving/proc"
    inside = Inside(root, "/")
    for tried in (path, "/".join(parts)):
        status = inside.status(tried)
        assert isinstance(status, Unread) or status.st_dev == root.stat().st_dev
        inside.read(tried)
        inside.glob(tried)
