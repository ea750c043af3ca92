"""INFO of the servers that let us: each in its turn, with a timeout, and left alone for a while when it refuses.

A visit is one connection: AUTH, INFO, and, for a process that was not asked yet, CONFIG GET. A user who may not do
that is asked for it once per process: every refusal leaves a line in the server's ACL LOG.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from checker.agent.access import Access, Credentials
from checker.agent.finish import NOTHING_TOLD, Told
from checker.agent.live import Ended
from checker.agent.rates import Sample, WriteRate, writes_between
from checker.agent.seen import Key
from checker.agent.troubles import Troubles
from checker.facts import Maybe, Unread
from checker.probes.matching import process_of
from checker.probes.redis_conf import Directive
from checker.probes.redis_info import Answer, count, engine_of, info_of, read_config, read_fields
from checker.probes.redis_link import connect, label
from checker.probes.servers import Found

VISIT_SECONDS: Final = 1.0
"""Timeout of one exchange: a judgement; a server answers INFO in less than a millisecond, beside a slow command."""

SECOND_LOOK_SECONDS: Final = 2.0
"""After the first answer: a rate takes two."""

CONFIG_SECONDS: Final = 600.0
"""How long CONFIG GET holds good: a judgement. What INFO says of maxmemory is new at every visit."""

LONGEST_PAUSE_SECONDS: Final = 600.0
"""To a server that does not answer, or refuses us."""

REFUSED_PAUSE_SECONDS: Final = 60.0
"""The first pause after a wrong password: more attempts fill logs, and lock users out elsewhere."""

ANSWER_LASTS_VISITS: Final = 4
"""An answer older than so many intervals is not believed any more."""

NOTICED_SECONDS: Final = 0.15
NOTICED_LOOKS: Final = 8
"""A server looks for its child's end ten times a second (hz 10), once a second at the least; until then INFO tells of
the save before."""

WORKERS: Final = 4
"""A judgement: visits at a time, so that a few servers that hang do not keep the others from being asked."""


@dataclass(slots=True)
class _Target:
    """A server that may be asked. Its lock is held during a visit."""

    url: str
    credentials: Credentials
    key: Key | None  # of its process; None: not known yet
    due: float = 0.0  # monotonic
    failures: int = 0
    answer: Answer | None = None
    up: bool = False
    tried: Answer | None = None  # the answer that was last compared with the processes
    directives: Maybe[tuple[Directive, ...]] | None = None
    directives_at: float = 0.0
    run_id: str = ""
    rate: WriteRate = field(default_factory=WriteRate)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Asker:
    """Asks all targets again and again, in threads of its own."""

    def __init__(self, access: Access, troubles: Troubles, interval: float) -> None:
        self._access = access
        self._troubles = troubles
        self._interval = interval
        self._by_url = [_Target(entry.url, entry.credentials, None) for entry in access.servers]
        self._by_pod: dict[Key, _Target] = {}
        self._changed = threading.Condition()

    @property
    def access(self) -> Access:
        """Who may be asked."""
        return self._access

    def answer(self, found: Found) -> tuple[bool, Answer | None] | None:
        """See `scan.Asking`."""
        target = self._target((found.pid, found.stat.start_time_ticks))
        if target is None:
            return None
        answer = target.answer
        if answer is None or time.monotonic() - answer.asked_at > ANSWER_LASTS_VISITS * self._interval:
            return target.up, None
        return target.up, answer

    def place(self, found: Sequence[Found], root: Path, uptime: Maybe[float]) -> None:
        """See `scan.Asking`."""
        there = {(one.pid, one.stat.start_time_ticks) for one in found}
        for target in self._by_url:
            if target.key is not None and target.key not in there:
                target.key = None
            answer = target.answer
            if target.key is not None or answer is None or answer is target.tried:
                continue
            target.tried = answer
            owner = process_of(answer, root, found, uptime)
            if isinstance(owner, Unread):
                self._troubles.add("info", owner)
            else:
                target.key = (owner.pid, owner.stat.start_time_ticks)

    def follow_pods(self, urls: Mapping[Key, tuple[str, Credentials]]) -> None:
        """Ask these servers of pods from now on, and no others of pods."""
        with self._changed:
            kept = {key: each for key, each in self._by_pod.items() if key in urls and each.url == urls[key][0]}
            for key, (url, credentials) in urls.items():
                if key not in kept:
                    kept[key] = _Target(url, credentials, key)
            self._by_pod = kept
            self._changed.notify_all()

    def told_after(self, ended: Ended, ended_at: float) -> Told:
        """Ask a server that has just forked what it says of that. `ended_at` is monotonic."""
        target = self._target(ended.target.key)
        if target is None:
            return NOTHING_TOLD
        names = _OUTCOME.get(ended.cause)
        for _ in range(NOTICED_LOOKS):
            self._visit(target)
            answer = target.answer
            if not target.up or answer is None or answer.asked_at < ended_at:
                return NOTHING_TOLD
            if names is None or answer.fields.get(names[2]) != "1":
                break
            time.sleep(NOTICED_SECONDS)  # it has not noticed yet that its child has ended
        else:
            return NOTHING_TOLD
        ok = answer.fields.get(names[0]) if names else None
        copied = count(answer.fields, names[1], answer.where) if names else None
        return Told(
            ok=None if ok is None else ok == "ok",
            copied_bytes=copied if isinstance(copied, int) else None,
            writes=writes_between(list(target.rate.samples), ended_at - ended.lifetime, ended_at),
        )

    def ask_all(self, pause: float = SECOND_LOOK_SECONDS) -> None:
        """Visit everybody twice, for a rate: for a single scan."""
        for wait in (0.0, pause):
            time.sleep(wait if self._targets() else 0.0)
            for target in self._targets():
                self._visit(target)

    def run(self, stop: threading.Event) -> None:
        """Work as one of the threads, until told to stop."""
        while not stop.is_set():
            target, wait = self._next()
            if target is None:
                with self._changed:
                    self._changed.wait(min(wait, 1.0))
                continue
            self._visit(target)

    def _next(self) -> tuple[_Target | None, float]:
        """A target that is due, with its place in the future taken; else how long until there is one."""
        now = time.monotonic()
        with self._changed:
            soonest = min(self._targets(), key=lambda each: each.due, default=None)
            if soonest is None or soonest.due > now:
                return None, self._interval if soonest is None else soonest.due - now
            soonest.due = now + self._interval
            return soonest, 0.0

    def _targets(self) -> list[_Target]:
        return [*self._by_url, *self._by_pod.values()]

    def _target(self, key: Key) -> _Target | None:
        return self._by_pod.get(key) or next((each for each in self._by_url if each.key == key), None)

    def _visit(self, target: _Target) -> None:
        with target.lock:
            answer = self._ask(target)
            now = time.monotonic()
            if isinstance(answer, Unread):
                target.up = False
                target.failures += 1
                target.due = now + _pause(answer, target.failures, self._interval)
                self._troubles.add("info", answer)
                return
            target.answer, target.up, target.failures = answer, True, 0
            first = isinstance(answer.info.write_rate_per_second, Unread)
            target.due = now + (min(SECOND_LOOK_SECONDS, self._interval) if first else self._interval)

    def _ask(self, target: _Target) -> Answer | Unread:
        where = label(target.url)
        try:
            password = target.credentials.password()
        except (OSError, UnicodeDecodeError) as error:
            return Unread(f"password file of {where}", str(error), "let the agent read it")
        with connect(target.credentials.applied_to(target.url), password, VISIT_SECONDS, 0.0) as link:
            if isinstance(link, Unread):
                return link
            fields = read_fields(link)
            if isinstance(fields, Unread):
                return fields
            at = time.monotonic()
            self._keep_configuration(target, fields, at, lambda: read_config(link))
        sample = Sample.of(at, fields, where)
        if isinstance(sample, Sample):
            target.rate.add(sample)
        rate = sample if isinstance(sample, Unread) else target.rate.per_second(at, where)
        name, version = engine_of(fields, where)
        return Answer(
            where=where,
            fields=fields,
            info=info_of(fields, rate, where),
            engine_name=name,
            version=version,
            directives=target.directives or (),
            shape=None,
            asked_at=at,
        )

    def _keep_configuration(
        self, target: _Target, fields: Mapping[str, str], now: float, read: Callable[[], Maybe[tuple[Directive, ...]]]
    ) -> None:
        run_id = fields.get("run_id", "")
        refused = isinstance(target.directives, Unread)
        old = now - target.directives_at > CONFIG_SECONDS and not refused
        if target.directives is None or target.run_id != run_id or old:
            target.directives, target.directives_at, target.run_id = read(), now, run_id


_RDB: Final = ("rdb_last_bgsave_status", "rdb_last_cow_size", "rdb_bgsave_in_progress")
_AOF: Final = ("aof_last_bgrewrite_status", "aof_last_cow_size", "aof_rewrite_in_progress")
_OUTCOME: Final[Mapping[str, tuple[str, str, str]]] = {"rdb": _RDB, "replication": _RDB, "aof": _AOF}
"""Lines of INFO persistence, by what forked: how it ended, what it copied, and whether it still goes on."""


def _pause(why: Unread, failures: int, interval: float) -> float:
    refused = any(word in why.why for word in ("WRONGPASS", "NOAUTH", "NOPERM"))
    first = max(interval, REFUSED_PAUSE_SECONDS) if refused else interval
    return min(LONGEST_PAUSE_SECONDS, first * 2.0 ** min(failures - 1, 10))
