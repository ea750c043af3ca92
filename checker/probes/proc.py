"""/proc/<pid>: one process.

Source: Documentation/filesystems/proc.rst; proc_pid_stat(5), proc_pid_status(5), proc_pid_smaps(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checker.facts import Maybe, Node, Unread, Vma, major_minor
from checker.probes.files import decode, kilobytes, number, read_bytes, read_text
from checker.units import KIB

CLOCK_TICKS_PER_SECOND = 100
"""USER_HZ, which /proc counts in: 100 on every architecture that Redis runs on (include/asm-generic/param.h)."""

_CAP_SYS_ADMIN = 1 << 21
"""include/uapi/linux/capability.h"""

_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/<pid>/stat that are used."""

    comm: str
    parent: int
    start_time_ticks: int
    arguments_bytes: int | None  # size of the area that argv filled at the start; None where the kernel hides it


def parse_stat(text: str, where: str = "/proc/<pid>/stat") -> Stat | Unread:
    """Read the line. `comm` stands in brackets and may hold blanks and brackets itself: the last one closes it."""
    opening, closing = text.find("("), text.rfind(")")
    fields = text[closing + 1 :].split()
    if not 0 < opening < closing or len(fields) < 20 or not all(f.lstrip("-").isdigit() for f in fields[1:]):
        return Unread(where, f"{text[:60]!r} is not a line as the kernel writes it")
    # fields[0] is field 3 of proc(5); arg_start and arg_end are 48 and 49, and 0 for those who may not ptrace
    start, end = (int(fields[45]), int(fields[46])) if len(fields) > 46 else (0, 0)
    return Stat(
        comm=text[opening + 1 : closing],
        parent=int(fields[1]),
        start_time_ticks=int(fields[19]),
        arguments_bytes=end - start if 0 < start < end else None,
    )


def read_stat(proc: Path) -> Stat | Unread:
    """Read /proc/<pid>/stat."""
    text = read_text(proc / "stat", 8 * KIB)
    return text if isinstance(text, Unread) else parse_stat(text, str(proc / "stat"))


def parse_cmdline(raw: bytes) -> tuple[str, ...]:
    """Return the arguments, without the NULs that a process title leaves behind it.

    A last empty argument (`--save ""`) stays: only what follows a *single* text and is all NUL is a title's padding.
    """
    text = decode(raw)
    if "\0" not in text.rstrip("\0"):
        return (text.rstrip("\0"),) if text.rstrip("\0") else ()
    return tuple(text.removesuffix("\0").split("\0"))


def read_cmdline(proc: Path) -> Maybe[bytes]:
    """Read /proc/<pid>/cmdline: empty for kernel threads and zombies."""
    return read_bytes(proc / "cmdline")


def parse_status(text: str) -> Mapping[str, str]:
    """Return name → text of every `Name:<tab>value` line, the first of a name."""
    table: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            table.setdefault(name, value.strip())
    return table


@dataclass(frozen=True, slots=True)
class Status:
    """/proc/<pid>/status, sizes in bytes."""

    table: Mapping[str, str]
    where: str

    def size(self, name: str) -> Maybe[int]:
        """One of the `kB` lines."""
        missing = Unread(f"{self.where} {name}", "no such line: the kernel is too old, or the process is a zombie")
        text = self.table.get(name)
        return missing if text is None else kilobytes(text, f"{self.where} {name}")

    def thp_enabled(self) -> Maybe[bool]:
        """Read THP_enabled: False after prctl(PR_SET_THP_DISABLE); kernels before 5.0 do not say."""
        text = self.table.get("THP_enabled")
        if text in ("0", "1"):
            return text == "1"
        return Unread(f"{self.where} THP_enabled", "no such line" if text is None else f"{text[:20]!r} is not 0 or 1")

    def namespace_pid(self) -> int | None:
        """The process' own pid in its innermost pid namespace, which is what INFO calls process_id."""
        last = self.table.get("NSpid", self.table.get("Pid", "")).split()[-1:]
        value = number(last[0], self.where) if last else None
        return value if isinstance(value, int) else None

    def has_cap_sys_admin(self) -> Maybe[bool]:
        """Is CAP_SYS_ADMIN among the effective capabilities (of the process' own user namespace)?"""
        text = self.table.get("CapEff", "")
        if not re.fullmatch(r"[0-9a-f]{1,16}", text, re.ASCII):
            return Unread(f"{self.where} CapEff", "no such line" if not text else f"{text[:20]!r} is not a mask")
        return bool(int(text, 16) & _CAP_SYS_ADMIN)


def read_status(proc: Path) -> Status | Unread:
    """Read /proc/<pid>/status: cheap, and open to everybody."""
    text = read_text(proc / "status")
    return text if isinstance(text, Unread) else Status(parse_status(text), str(proc / "status"))


def cap_sys_admin(status: Status | Unread, uid_map: Maybe[str]) -> Maybe[bool]:
    """Return CAP_SYS_ADMIN in the initial user namespace, where alone it frees from the reserve."""
    if isinstance(status, Unread):
        return status
    effective = status.has_cap_sys_admin()
    if effective is not True:
        return effective
    return uid_map if isinstance(uid_map, Unread) else uid_map.split() == ["0", "0", "4294967295"]


def without_deleted(path: str) -> str:
    """Return the path of an executable that was replaced while it runs, without the kernel's mark."""
    return path.removesuffix(_DELETED)


_HEADER = re.compile(
    r"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-][w-][x-][sp]) [0-9a-f]+ [0-9a-f:]+ \d+(?: +(.*))?$", re.ASCII
)


def parse_vmas(text: str) -> tuple[Vma, ...]:
    """Read maps or smaps, in address order; `flags` are `None` where the file is maps. Lines of neither are left."""
    vmas: list[Vma] = []
    for line in text.split("\n"):
        if line.startswith("VmFlags:") and vmas:
            last = vmas[-1]
            vmas[-1] = Vma(last.start, last.size, last.perms, frozenset(line[8:].split()), last.name)
        elif match := _HEADER.match(line):
            start, end = int(match[1], 16), int(match[2], 16)
            vmas.append(Vma(start, max(0, end - start), match[3], None, match[4] or ""))
    return tuple(vmas)


def needs_vmas(node: Node, status: Status | Unread) -> bool:
    """Does the fork's fate depend on the single VMAs, or does VmSize already decide it?

    Mode 1 never refuses. Mode 0 does not refuse a process smaller than MemTotal + SwapTotal on any kernel since 5.2;
    before, one of at most what is free. Mode 2 grants where Committed_AS + VmSize + slack < allowed.
    """
    if node.overcommit_memory == 1 or isinstance(status, Unread) or isinstance(node.overcommit_memory, Unread):
        return False
    size = status.size("VmSize")
    if isinstance(size, Unread):
        return True
    if node.overcommit_memory == 0:
        bound = node.guess_free if _guesses_free(node.kernel_release) else _sum(node.mem_total, node.swap_total)
        reserve = node.admin_reserve_kbytes if _guesses_free(node.kernel_release) else 0
        return isinstance(bound, Unread) or isinstance(reserve, Unread) or size > bound - reserve
    facts = (node.commit_limit, node.committed_as, node.admin_reserve_kbytes, node.user_reserve_kbytes)
    slack = counter_slack(node)
    known = [fact for fact in facts if isinstance(fact, int)]
    if len(known) < len(facts) or isinstance(slack, Unread):
        return True
    limit, committed, admin, user = known
    return committed + size + slack + node.page_size_bytes >= limit - admin - min(size // 32, user)  # all cut to pages


def counter_slack(node: Node) -> Maybe[int]:
    """Bytes by which the kernel's per-CPU counter may be off in mode 2: ncpu × (batch − 1) pages."""
    if isinstance(node.mem_total, Unread) or isinstance(node.cpu_count, Unread) or node.cpu_count < 1:
        return node.mem_total if isinstance(node.mem_total, Unread) else Unread("cpu_count", "not known")
    batch = max(node.mem_total // node.page_size_bytes // node.cpu_count // 256, 2 * node.cpu_count, 32)
    return node.cpu_count * (batch - 1) * node.page_size_bytes


def _guesses_free(release: Maybe[str]) -> bool:
    """Is this a kernel before 5.2, which compares with free memory? A release that cannot be read is taken for one."""
    version = major_minor(release)
    return version is None or version < (5, 2)


def _sum(first: Maybe[int], second: Maybe[int]) -> Maybe[int]:
    if isinstance(first, Unread) or isinstance(second, Unread):
        return first if isinstance(first, Unread) else second
    return first + second


def read_vmas(proc: Path, node: Node, status: Status | Unread) -> Maybe[tuple[Vma, ...]]:
    """Read smaps, but only where needed: it walks the page tables under the server's mmap lock.

    In mode 0 maps comes first: where no private VMA is too large, nothing that smaps adds can change the answer.
    """
    for fact in (status, node.overcommit_memory):
        if isinstance(fact, Unread):
            return fact
    if not needs_vmas(node, status):
        return Unread(str(proc / "smaps"), "not needed: VmSize alone decides whether fork() is granted")
    if node.overcommit_memory == 0 and not _guesses_free(node.kernel_release):
        text = read_text(proc / "maps")
        bound = _sum(node.mem_total, node.swap_total)
        if isinstance(text, Unread):
            return text
        vmas = parse_vmas(text)
        if isinstance(bound, int) and all(vma.size <= bound or vma.perms.endswith("s") for vma in vmas):
            return vmas
    text = read_text(proc / "smaps")
    return text if isinstance(text, Unread) else parse_vmas(text)


def read_uptime(root: Path) -> Maybe[float]:
    """Seconds since the machine started, DIR/proc/uptime."""
    where = root / "proc/uptime"
    text = read_text(where)
    if isinstance(text, Unread):
        return text
    match = re.match(r"\d{1,12}(?:\.\d{1,9})?(?= )", text, re.ASCII)
    return float(match[0]) if match else Unread(str(where), f"{text[:40]!r} is not an uptime")


def age_seconds(stat: Stat, uptime: Maybe[float]) -> Maybe[float]:
    """Seconds since a process started."""
    return uptime if isinstance(uptime, Unread) else max(0.0, uptime - stat.start_time_ticks / CLOCK_TICKS_PER_SECOND)


def read_private_dirty(proc: Path) -> Maybe[int]:
    """Bytes of Private_Dirty in smaps_rollup: in a saving child, what was copied by either side."""
    text = read_text(proc / "smaps_rollup")
    where = str(proc / "smaps_rollup")
    if isinstance(text, Unread):
        return text
    value = parse_status(text).get("Private_Dirty")
    return Unread(where, "no Private_Dirty in it") if value is None else kilobytes(value, where)


def read_oom_score_adj(proc: Path) -> Maybe[int]:
    """−1000 (never killed) to 1000."""
    text = read_text(proc / "oom_score_adj")
    where = str(proc / "oom_score_adj")
    if isinstance(text, Unread):
        return text
    value = number(text.strip().removeprefix("-"), where)
    if isinstance(value, Unread) or value > 1000:
        return Unread(where, f"{text.strip()[:20]!r} is not a number from -1000 to 1000")
    return -value if text.strip().startswith("-") else value
