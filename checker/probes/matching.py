"""Which process of this machine is the one that answered at a URL?

INFO gives `process_id` as the server sees it: the last number of NSpid. In containers that is 1 for all, and a URL may
lead to another machine, so port, age and resident memory must agree as well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from checker.facts import Maybe, Unread
from checker.probes.files import number
from checker.probes.proc import age_seconds, parse_cmdline, read_status
from checker.probes.redis_info import Answer
from checker.probes.servers import Found
from checker.probes.started import parse_title
from checker.units import MIB

AGE_SECONDS = 3.0
"""INFO counts whole seconds, and the server's clock starts a little after its process."""

RSS_RATIO, RSS_BYTES = 0.1, 16 * MIB
"""How far used_memory_rss, which the server reads ten times a second, may be from VmRSS a moment later."""


def fits(answer: Answer, *, pid: int | None, port: int | None, age: Maybe[float], rss: Maybe[int], now: float) -> bool:
    """Could this process have given this answer? What is not known on either side does not speak against it.

    A process may be much older than its server (an entry point that worked first, then exec), never younger.
    """
    process_id, uptime, its_rss = (answer.count(n) for n in ("process_id", "uptime_in_seconds", "used_memory_rss"))
    its_port = number(answer.fields.get("tcp_port", ""), "")
    if not isinstance(process_id, int) or process_id != pid:
        return False
    if port is not None and isinstance(its_port, int) and its_port != port:
        return False
    if isinstance(uptime, int) and isinstance(age, float) and age - (now - answer.asked_at) < uptime - AGE_SECONDS:
        return False
    return isinstance(rss, Unread) or isinstance(its_rss, Unread) or abs(rss - its_rss) <= RSS_BYTES + RSS_RATIO * rss


def process_of(answer: Answer, root: Path, all_found: Sequence[Found], uptime: Maybe[float]) -> Found | Unread:
    """Return the one process that fits, or why there is none."""
    now = time.monotonic()
    matches = []
    for found in all_found:
        status = read_status(root / "proc" / str(found.pid))
        title = parse_title(parse_cmdline(found.cmdline))
        if isinstance(status, Unread):
            continue
        if fits(
            answer,
            pid=status.namespace_pid(),
            port=title.port if title else None,
            age=age_seconds(found.stat, uptime),
            rss=status.size("VmRSS"),
            now=now,
        ):
            matches.append(found)
    if len(matches) == 1:
        return matches[0]
    if not matches:
        return Unread(
            answer.where, "no process of this machine that can be seen", "run bgsafe node on the machine of the server"
        )
    pids = ", ".join(str(found.pid) for found in matches)
    return Unread(answer.where, f"it may be any of the processes {pids}", "give the URL inside the server's container")
