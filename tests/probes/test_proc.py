from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread, Vma
from checker.probes import node, proc
from checker.units import GIB, MIB

FIXTURES = Path(__file__).parents[1] / "fixtures"
STAT = (
    "812 (a) b) S 1 812 812 0 -1 4194560 962 0 0 0 0 0 0 0 20 0 5 0 58907 62283776 2991" + " 0" * 23 + " 100 146 7 8 0"
)
SMAPS = """55d0-65d0 rw-p 00000000 00:00 0                          [heap]
Size:                  4 kB
VmFlags: rd wr mr mw me ac sd
7f00-8f00 r--p 00000000 fe:00 1234                       /usr/lib/a b.so
VmFlags: rd mr mw me dc
"""
NODE, _ = node.read(FIXTURES / "proc_redis_7.0_v1_cgroup")


def test_a_name_with_blanks_and_brackets_does_not_shift_the_fields():
    assert proc.parse_stat(STAT) == proc.Stat("a) b", 1, 58907, 46)


def test_hidden_addresses_are_not_an_empty_area():
    stat = proc.parse_stat(STAT.replace(" 100 146 ", " 0 0 "))
    assert isinstance(stat, proc.Stat)
    assert stat.arguments_bytes is None


@pytest.mark.parametrize("text", ["", "1", "1 (a)", "1 (a) S 2", ")(", STAT.replace(" 58907 ", " x ")])
def test_a_line_of_another_shape_says_so(text):
    assert isinstance(proc.parse_stat(text), Unread)


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        pytest.param(b"redis-server\0--save\0\0", ("redis-server", "--save", ""), id="a last empty argument stays"),
        pytest.param(b"redis-server *:6379\0\0\0\0\0", ("redis-server *:6379",), id="padding of a title goes"),
        pytest.param(b"redis-server *:6379", ("redis-server *:6379",), id="a title longer than the arguments"),
        pytest.param(b"/opt/my redis/redis-server\0a b\0", ("/opt/my redis/redis-server", "a b"), id="blanks"),
        pytest.param(b"\xff\0x\0", ("\\xff", "x"), id="bytes that are no text"),
        pytest.param(b"", (), id="a kernel thread"),
        pytest.param(b"\0\0", (), id="all overwritten"),
    ],
)
def test_the_command_line(raw, arguments):
    assert proc.parse_cmdline(raw) == arguments


def test_status_turns_lines_into_bytes_and_says_what_is_missing():
    status = proc.Status(
        proc.parse_status("Name:\tredis\nVmSize:\t    60824 kB\nVmPTE:\t x kB\nVmSize:\t1 kB\n"), "status"
    )
    assert status.size("VmSize") == 60824 * 1024
    assert isinstance(status.size("VmPTE"), Unread)
    assert isinstance(status.size("RssAnon"), Unread)


def test_the_pid_in_the_innermost_namespace_is_the_last():
    assert proc.Status(proc.parse_status("Pid:\t812\nNSpid:\t812\t7\t1\n"), "").namespace_pid() == 1
    assert proc.Status(proc.parse_status("Pid:\t812\n"), "").namespace_pid() == 812
    assert proc.Status({}, "").namespace_pid() is None


@pytest.mark.parametrize(
    ("cap_eff", "uid_map", "answer"),
    [
        pytest.param("000001ffffffffff", "         0          0 4294967295\n", True, id="root"),
        pytest.param("000001ffffffffff", "         0     100000      65536\n", False, id="root of a user namespace"),
        pytest.param("0000000000000000", "         0          0 4294967295\n", False, id="nobody"),
    ],
)
def test_only_root_of_the_first_user_namespace_has_cap_sys_admin(cap_eff, uid_map, answer):
    assert proc.cap_sys_admin(proc.Status({"CapEff": cap_eff}, ""), uid_map) is answer


def test_without_the_mask_nobody_knows():
    assert isinstance(proc.cap_sys_admin(proc.Status({}, "status"), "0 0 4294967295"), Unread)


def test_smaps_gives_flags_and_maps_none():
    assert proc.parse_vmas(SMAPS) == (
        Vma(0x55D0, 0x1000, "rw-p", frozenset({"rd", "wr", "mr", "mw", "me", "ac", "sd"}), "[heap]"),
        Vma(0x7F00, 0x1000, "r--p", frozenset({"rd", "mr", "mw", "me", "dc"}), "/usr/lib/a b.so"),
    )
    assert proc.parse_vmas("55d0-65d0 rw-p 00000000 00:00 0 \n") == (Vma(0x55D0, 0x1000, "rw-p", None, ""),)


def _status(vm_size):
    return proc.Status({"VmSize": f"{vm_size // 1024} kB"}, "status")


@pytest.mark.parametrize(
    ("changes", "vm_size", "needed"),
    [
        pytest.param({"overcommit_memory": 1}, 99 * GIB, False, id="mode 1 never looks"),
        pytest.param({"overcommit_memory": 0, "mem_total": GIB, "swap_total": MIB}, GIB + MIB, False, id="all of it"),
        pytest.param({"overcommit_memory": 0, "mem_total": GIB, "swap_total": MIB}, GIB + MIB + 4096, True, id="more"),
        pytest.param(
            {
                "overcommit_memory": 0,
                "kernel_release": "4.18.0-553.el8",
                "guess_free": GIB,
                "admin_reserve_kbytes": MIB,
            },
            GIB - MIB,
            False,
            id="before 5.2, what is free",
        ),
        pytest.param(
            {"overcommit_memory": 0, "kernel_release": "5.1.21", "guess_free": GIB, "admin_reserve_kbytes": MIB},
            GIB,
            True,
            id="before 5.2, more than is free",
        ),
        pytest.param({"overcommit_memory": 0, "mem_total": Unread("", "")}, MIB, True, id="not known"),
        pytest.param({"overcommit_memory": 2, "commit_limit": 99 * GIB}, GIB, False, id="mode 2, plenty"),
        pytest.param({"overcommit_memory": 2, "commit_limit": GIB}, GIB, True, id="mode 2, tight"),
        pytest.param(
            {"overcommit_memory": 2, "cpu_count": Unread("", "")}, MIB, True, id="mode 2, tolerance not known"
        ),
    ],
)
def test_the_cheap_exits(changes, vm_size, needed):
    assert proc.needs_vmas(replace(NODE, **changes), _status(vm_size)) is needed


def test_vmas_that_are_not_needed_say_so(tmp_path):
    answer = proc.read_vmas(tmp_path, NODE, _status(MIB))
    assert isinstance(answer, Unread)
    assert answer.why.startswith("not needed")


def test_maps_suffices_where_no_single_mapping_is_too_large(tree):
    """smaps walks page tables under the server's lock: it is read only where a mapping could be refused."""
    root = tree({"maps": "1000-2000 rw-p 00000000 00:00 0 \n", "smaps": SMAPS})
    tight = replace(NODE, overcommit_memory=0, mem_total=0x1000, swap_total=0)
    assert proc.read_vmas(root, tight, _status(0x2000)) == (Vma(0x1000, 0x1000, "rw-p", None, ""),)
    tighter = replace(tight, mem_total=0x800)
    assert proc.read_vmas(root, tighter, _status(0x2000)) == proc.parse_vmas(SMAPS)


@pytest.mark.parametrize(("text", "value"), [("-1000\n", -1000), ("0", 0), ("1000", 1000)])
def test_oom_score_adj(tree, text, value):
    assert proc.read_oom_score_adj(tree({"oom_score_adj": text})) == value


@pytest.mark.parametrize("text", ["", "--5", "1001", "x"])
def test_what_is_no_oom_score_adj_says_so(tree, text):
    assert isinstance(proc.read_oom_score_adj(tree({"oom_score_adj": text})), Unread)


def test_uptime_and_age(tree):
    uptime = proc.read_uptime(tree({"proc/uptime": "1000.50 1234.00\n"}))
    assert uptime == 1000.5
    stat = proc.parse_stat(STAT)
    assert isinstance(stat, proc.Stat)
    assert proc.age_seconds(stat, uptime) == pytest.approx(1000.5 - 589.07)


@given(st.text(), st.binary())
def test_no_text_makes_them_raise(text, raw):
    proc.parse_stat(text)
    proc.parse_cmdline(raw)
    proc.parse_vmas(text)
    proc.parse_vmas(SMAPS + text)
    status = proc.Status(proc.parse_status(text), "")
    for answer in (status.size("VmSize"), status.namespace_pid(), status.thp_enabled(), status.has_cap_sys_admin()):
        assert answer is None or isinstance(answer, (Unread, int))


@given(st.text(alphabet="0123456789abcdef- rwxps:\n", max_size=80))
def test_no_line_of_maps_gives_a_negative_size(text):
    assert all(vma.size >= 0 for vma in proc.parse_vmas(text))


def test_an_unknown_mode_is_not_called_not_needed(tmp_path):
    why = Unread("/proc/sys/vm/overcommit_memory", "denied")
    answer = proc.read_vmas(tmp_path, replace(NODE, overcommit_memory=why), _status(MIB))
    assert answer == why
