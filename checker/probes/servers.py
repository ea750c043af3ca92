"""Which processes are Redis-like servers, and which of them are only a server's saving child.

As little as possible is read of the others: the link `exe` and `comm`; `cmdline` only where these two disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from checker.engines import DATA_SERVERS, EXECUTABLES
from checker.facts import Maybe, Unread
from checker.probes.files import exists, read_link, read_text
from checker.probes.proc import Stat, parse_cmdline, read_cmdline, read_stat, without_deleted
from checker.probes.started import parse_title

COMM_LENGTH = 15
"""The kernel cuts `comm` here (include/linux/sched.h TASK_COMM_LEN − 1)."""

_BY_COMM = {name[:COMM_LENGTH]: kind for name, kind in EXECUTABLES.items()}

_OTHER_NAMES = re.compile(r"(?:redis|valkey|keydb)-(?:check-|sentinel)|(?:redis|valkey|keydb)-cli", re.ASCII)
"""One binary, many names: what it is called by decides what it does (redis src/server.c main)."""

_INTERPRETERS = re.compile(
    r"(?:ba|da|k|z|a|c|tc|fi)?sh|busybox|python[\d.]*|perl[\d.]*|ruby[\d.]*|node(?:js)?|php[\d.]*|lua[\d.]*"
    r"|env|sudo|su|runuser|gosu|su-exec|setpriv|tini|dumb-init|docker-init|catatonit|timeout|strace|gdb|nohup",
    re.ASCII,
)
"""Programs that carry another's name in `comm` or arguments: a script `redis-server` is not the server it starts."""

_CHILD_TITLE = re.compile(r"(?:redis|valkey|keydb)-(?:rdb|aof|module|slot)-[a-z-]+(?: |$)", re.ASCII)
"""The title of a saving child: redis-rdb-bgsave, redis-aof-rewrite, redis-rdb-to-slaves (redis src/rdb.c, aof.c)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A process that looks like a Redis-like program."""

    pid: int
    kind: str  # of engines.EXECUTABLES: redis, valkey, …, sentinel, client
    executable: Maybe[str]
    comm: str
    cmdline: bytes
    stat: Stat
    child: Found | None = None  # its saving child


def base_name(path: str) -> str:
    """Return the file's own name, in lower case."""
    return PurePosixPath(without_deleted(path)).name.lower()


def classify(executable: Maybe[str], comm: str, arguments: tuple[str, ...]) -> str | None:
    """Return what a process is (a value of engines.EXECUTABLES), or `None` for one that is nothing of Redis'.

    In this order: the file that runs, `comm`, the first argument. A name that tells the binary to be something else
    (`redis-sentinel`, `redis-check-rdb`, which are links to one file) wins over the file's.
    """
    program = "" if isinstance(executable, Unread) else base_name(executable)
    if _INTERPRETERS.fullmatch(program):
        return None
    title = parse_title(arguments)
    first = base_name(title.program if title else arguments[0]) if arguments else ""
    called = comm.lower()
    kind = EXECUTABLES.get(program) or _BY_COMM.get(called[:COMM_LENGTH]) or EXECUTABLES.get(first)
    if kind not in DATA_SERVERS:
        return kind
    if any(_OTHER_NAMES.match(name) for name in (called, first)):
        return "sentinel" if "sentinel" in called + first else "other"
    if "--sentinel" in arguments or (title and title.mode == "sentinel"):
        return "sentinel"
    return kind


def may_be_server(program: str, comm: str) -> bool:
    """Is it worth reading more of a process, by its file's name and its `comm`?

    Yes where one of them is known, and where they differ (renamed by its caller, or run through a loader).
    """
    called = comm.lower()[:COMM_LENGTH]
    return program in EXECUTABLES or called in _BY_COMM or called != program[:COMM_LENGTH]


def glance(proc: Path) -> tuple[str, Maybe[str]] | None:
    """Return `comm` and the file that runs; `None` when that is nothing of Redis', or gone.

    Neither can make the reader wait, whatever state the process is in; `cmdline` can (docs/architecture.md).
    """
    comm = read_text(proc / "comm", 4096)
    if isinstance(comm, Unread):
        return None  # gone: comm is open to everybody
    called = comm.removesuffix("\n")
    executable = read_link(proc / "exe")
    if isinstance(executable, str):
        program = base_name(executable)
        if not may_be_server(program, called) or _INTERPRETERS.fullmatch(program):
            return None
        executable = without_deleted(executable)
    return called, executable


def look_at(proc: Path) -> Found | Unread | None:
    """Look at one process: `None` when it is nothing of Redis' or gone, `Unread` when it may be and cannot be told."""
    glanced = glance(proc)
    if glanced is None:
        return None
    called, executable = glanced
    cmdline = read_cmdline(proc)
    kind = classify(executable, called, parse_cmdline(cmdline)) if isinstance(cmdline, bytes) else None
    if not cmdline or (isinstance(cmdline, bytes) and kind is None):
        return None  # an empty cmdline: a kernel thread or a zombie
    stat = read_stat(proc)
    problem = next((part for part in (cmdline, stat) if isinstance(part, Unread)), None)
    if isinstance(cmdline, Unread) or isinstance(stat, Unread) or kind is None:
        return problem if exists(proc) else None
    return Found(int(proc.name), kind, executable, called, cmdline, stat)


def find(root: Path) -> tuple[tuple[Found, ...], int, tuple[Unread, ...]]:
    """Return the servers of DIR/proc by pid, how many Redis-like processes are no data servers, and the problems.

    Threads are not in the list: /proc shows them below their process only.
    """
    directory = root / "proc"
    try:
        pids = sorted(int(entry.name) for entry in directory.iterdir() if entry.name.isascii() and entry.name.isdigit())
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return (), 0, (Unread(str(directory), why, "give a --root that holds proc and sys"),)
    looked = [look_at(directory / str(pid)) for pid in pids]
    problems = tuple(found for found in looked if isinstance(found, Unread))
    servers, others = with_children(found for found in looked if isinstance(found, Found))
    return servers, others, problems


def _is_fresh_fork(child: Found, parent: Found) -> bool:
    """Is it a fork that has not got its own title yet? A server that was started anew differs in its arguments."""
    return child.executable == parent.executable and child.cmdline == parent.cmdline


def is_child_title(title: str) -> bool:
    """Is it the title that a saving child gives itself?"""
    return _CHILD_TITLE.match(title) is not None


def with_children(all_found: Iterable[Found]) -> tuple[tuple[Found, ...], int]:
    """Give saving children to their parents: they have a saving child's title, or still everything of their server's.

    A child whose server has died (the OOM killer takes the server first) is nobody's, and no server.
    """
    processes = list(all_found)
    servers = {found.pid: found for found in processes if found.kind in DATA_SERVERS}
    children: dict[int, Found] = {}
    orphans: set[int] = set()
    for pid, found in servers.items():
        parent = servers.get(found.stat.parent)
        saving = is_child_title("".join(parse_cmdline(found.cmdline)[:1]))
        if parent is not None and parent is not found and (saving or _is_fresh_fork(found, parent)):
            children[parent.pid] = found
        elif saving:
            orphans.add(pid)
    own = {child.pid for child in children.values()} | orphans
    result = [
        Found(f.pid, f.kind, f.executable, f.comm, f.cmdline, f.stat, children.get(pid))
        for pid, f in sorted(servers.items())
        if pid not in own
    ]
    return tuple(result), len(processes) - len(servers)
