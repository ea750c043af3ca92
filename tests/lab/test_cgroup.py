from pathlib import Path
from typing import Literal

import pytest

from checker.facts import Unread
from checker.lab.cgroup import MemoryCgroup, create

V1 = (
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
V2 = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


def tree(root: Path, mountinfo: str, own: str, directories: list[str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(mountinfo.replace(" /sys", f" {root}/sys"))
    (root / "proc/self/cgroup").write_text(own)
    for directory in directories:
        (root / directory).mkdir(parents=True)
        (root / directory / "cgroup.procs").touch()
    return root


def test_v1_makes_it_below_our_own(tmp_path: Path) -> None:
    root = tree(tmp_path, V1, "4:memory:/a\n0::/\n", ["sys/fs/cgroup/memory/a", "sys/fs/cgroup/unified"])
    made = create("lab", root)
    assert made == MemoryCgroup(1, root / "sys/fs/cgroup/memory/a/lab")
    assert made.directory.is_dir()
    made.remove()
    assert not made.directory.exists()
    made.remove()


def test_v2_goes_up_to_the_first_that_offers_memory(tmp_path: Path) -> None:
    root = tree(tmp_path, V2, "0::/a/b\n", ["sys/fs/cgroup", "sys/fs/cgroup/a", "sys/fs/cgroup/a/b"])
    (root / "sys/fs/cgroup/cgroup.subtree_control").write_text("memory pids\n")
    (root / "sys/fs/cgroup/a/cgroup.subtree_control").write_text("cpu memory\n")
    (root / "sys/fs/cgroup/a/b/cgroup.subtree_control").write_text("\n")
    assert create("lab", root) == MemoryCgroup(2, root / "sys/fs/cgroup/a/lab")


def test_v2_that_offers_memory_nowhere_says_where_it_looked(tmp_path: Path) -> None:
    root = tree(tmp_path, V2, "0::/a\n", ["sys/fs/cgroup", "sys/fs/cgroup/a"])
    refused = create("lab", root)
    assert isinstance(refused, Unread)
    assert refused.where == f"{root}/sys/fs/cgroup/a/cgroup.subtree_control"
    assert "delegate" in refused.remedy
    assert not list(root.rglob("lab"))


def test_without_any_hierarchy_there_is_a_reason(tmp_path: Path) -> None:
    refused = create("lab", tree(tmp_path, "", "", []))
    assert isinstance(refused, Unread)


def test_what_cannot_be_made_says_why(tmp_path: Path) -> None:
    root = tree(tmp_path, V1, "4:memory:/a\n", ["sys/fs/cgroup/memory/a", "sys/fs/cgroup/memory/a/lab"])
    refused = create("lab", root)
    assert isinstance(refused, Unread)
    assert refused.why == "cannot be made: File exists"


V1_FILES = {"memory.stat": "rss 1\ntotal_rss 7\n", "memory.oom_control": "under_oom 0\noom_kill 2\n"}
V2_FILES = {"memory.stat": "anon 7\nfile 3\n", "memory.events": "oom 1\noom_kill 2\n"}


@pytest.mark.parametrize(("version", "files"), [pytest.param(1, V1_FILES, id="v1"), pytest.param(2, V2_FILES, id="v2")])
def test_a_cgroup_says_what_its_members_have(tmp_path: Path, version: Literal[1, 2], files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    group = MemoryCgroup(version, tmp_path)
    assert (group.anon(), group.oom_kills()) == (7, 2)


@pytest.mark.parametrize(
    ("version", "limit_file", "swap_file", "swap"),
    [
        pytest.param(1, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "4096", id="v1"),
        pytest.param(2, "memory.max", "memory.swap.max", "0", id="v2"),
    ],
)
def test_a_limit_leaves_no_way_into_swap(
    tmp_path: Path, version: Literal[1, 2], limit_file: str, swap_file: str, swap: str
) -> None:
    group = MemoryCgroup(version, tmp_path)
    group.set_limit(4096)
    assert (tmp_path / limit_file).read_text() == "4096"
    # Without swap accounting there is no such file, and none is made.
    assert not (tmp_path / swap_file).exists()
    (tmp_path / swap_file).touch()
    group.set_limit(4096)
    assert (tmp_path / swap_file).read_text() == swap


def test_a_line_that_is_not_there_is_an_error_not_zero(tmp_path: Path) -> None:
    (tmp_path / "memory.stat").write_text("file 3\n")
    with pytest.raises(OSError, match="no line 'anon'"):
        MemoryCgroup(2, tmp_path).anon()
