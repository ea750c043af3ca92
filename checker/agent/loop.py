"""The agent's life: what runs in which thread, what wakes whom, and how it ends.

One thread scans and writes the page; one looks for forks and never waits; one finds out how forks ended; a few ask
INFO; one follows the pods; one publishes the node's facts; one answers scrapes.
"""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from checker import __version__, metrics
from checker.agent.access import Access
from checker.agent.asking import WORKERS, Asker
from checker.agent.book import Book
from checker.agent.finish import Finisher
from checker.agent.live import Ended, Target
from checker.agent.naming import PodNaming
from checker.agent.publishing import Publisher
from checker.agent.scan import Scanner
from checker.agent.seen import Scan
from checker.agent.serving import Page, Server
from checker.agent.targets import target_of
from checker.agent.troubles import Troubles
from checker.agent.watch import Watcher
from checker.facts import Unread
from checker.log import log
from checker.policy import Policy

DEFAULT_INTERVAL_SECONDS: Final = 15.0
"""One or two scans for each scrape (Prometheus asks every 15 to 60 s); 30 ms of CPU each are 0.2 % of a core."""

LATE_SCANS: Final = 3
LATE_SECONDS: Final = 15.0
"""No scan for so many intervals and seconds: unwell."""

LEAST_PAUSE_SECONDS: Final = 0.2
"""Between two pages, however many forks begin and end."""

RESTART_SECONDS: Final = 1.0
"""Before a thread that a bug has ended begins again: a judgement."""

STOP_SECONDS: Final = 3.0
"""What threads get to end by themselves; whatever hangs is left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command was told."""

    root: Path
    interval: float
    most_servers: int
    policy: Callable[[], Policy]
    access: Access
    naming: PodNaming
    publisher: Publisher | None  # None: the webhook is told nothing


class Agent:
    """Everything together."""

    def __init__(self, options: Options, troubles: Troubles) -> None:
        self._options = options
        self.troubles = troubles
        self.book = Book()
        self.page = Page(metrics.CONTENT_TYPE)
        self.page.unwell = self._unwell
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._news: SimpleQueue[Target | tuple[Ended, float, float] | None] = SimpleQueue()  # None: that was all
        self._last: Scan | None = None
        self._scanned = time.monotonic()
        self.asker = Asker(options.access, self.troubles, options.interval)
        self.watcher = Watcher(options.root, self.troubles, self._began, self._has_ended)
        self.scanner = Scanner(
            root=options.root,
            policy=options.policy(),
            book=self.book,
            troubles=self.troubles,
            asking=self.asker,
            watching=self.watcher,
            naming=options.naming,
            most_servers=options.most_servers,
        )

    def once(self) -> bytes:
        """One scan, and its page."""
        self._options.naming.list()
        if self._options.access.servers or self._options.access.pods:
            self.scan()  # tells which pods there are to ask
            self.asker.ask_all()
        self.scan()
        self.watcher.look()
        return self.render()

    def run(self, server: Server, listen: str) -> None:
        """Work until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        threads = [
            threading.Thread(target=self._kept_at, args=(work,), name=f"bgsafe-{name}", daemon=True)
            for name, work in self._work()
        ]
        for thread in threads:
            thread.start()
        server.start()
        log("started", version=__version__, listen=listen, interval_seconds=self._options.interval)
        self._scan_again_and_again()
        server.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        log("stopped")

    def stop(self) -> None:
        """Let `run` return."""
        self._stop.set()
        self._wake.set()
        self._news.put(None)

    def scan(self) -> None:
        """Scan, and tell everybody who is there."""
        self.scanner.policy = self._options.policy()
        scan = self._last = self.scanner.scan()
        self._scanned = time.monotonic()
        self.watcher.follow([target for seen in scan.seen if (target := target_of(seen)) is not None])
        self.asker.follow_pods(self._options.naming.urls(scan))
        if self._options.publisher is not None:
            self._options.publisher.offer(scan.node)

    def render(self) -> bytes:
        """The page of this moment."""
        publisher = self._options.publisher
        view = metrics.View(
            scan=self._last,
            histories=self.book.copy(),
            living=self.watcher.living(),
            troubles=self.troubles.counts(),
            facts_published_at=publisher.written_at if publisher else None,
        )
        body = self.page.body = metrics.exposition(view)
        return body

    def _work(self) -> list[tuple[str, Callable[[], None]]]:
        work: list[tuple[str, Callable[[], None]]] = [
            ("watch", lambda: self.watcher.run(self._stop)),
            ("finish", self._finish),
        ]
        if self._options.access.servers or self._options.access.pods:
            work += [(f"ask-{n}", lambda: self.asker.run(self._stop)) for n in range(WORKERS)]
        if (pods := self._options.naming.pods) is not None:
            work.append(("pods", lambda: pods.run(self._stop)))
        if (publisher := self._options.publisher) is not None:
            work.append(("facts", lambda: publisher.run(self._stop)))
        return work

    def _scan_again_and_again(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            if time.monotonic() >= due:
                due = max(due + self._options.interval, time.monotonic())
                self._guarded(self.scan)
            self._guarded(self.render)
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            self._stop.wait(min(LEAST_PAUSE_SECONDS, max(0.0, due - time.monotonic())))

    def _kept_at(self, work: Callable[[], None]) -> None:
        """Do it until told to stop; a bug that ends it is told, and it begins again."""
        while not self._stop.is_set():
            self._guarded(work)
            self._stop.wait(RESTART_SECONDS)

    def _guarded(self, action: Callable[[], object]) -> None:
        """A bug must not blind the agent for good: it is told and counted, and the next scan may do better."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - counted, logged with its trace, and seen by /healthz
            self.troubles.add("internal", Unread("the agent", repr(error), "this is a bug in bgsafe: please report it"))
            log("bug", level="error", trace=traceback.format_exc())

    def _unwell(self) -> str | None:
        late = time.monotonic() - self._scanned
        if late <= LATE_SCANS * self._options.interval + LATE_SECONDS:
            return None
        return f"no scan has ended for {late:.0f} s"

    # --- forks --------------------------------------------------------------------------------------------------------

    def _began(self, target: Target) -> None:
        self._news.put(target)

    def _has_ended(self, ended: Ended) -> None:
        self._news.put((ended, time.monotonic(), time.time()))

    def _finish(self) -> None:
        while (news := self._news.get()) is not None:
            if isinstance(news, Target):
                labels, pid = news.labels, news.key[0]
                log("fork began", **labels._asdict(), pid=pid, predicted_bytes=news.predicted_bytes)
                self._wake.set()
                continue
            ended, at, unix = news
            finisher = Finisher(lambda each, at=at: self.asker.told_after(each, at))  # type: ignore[misc]
            self._guarded(lambda: self._write_down(finisher, ended, unix))  # noqa: B023 - called at once

    def _write_down(self, finisher: Finisher, ended: Ended, ended_at: float) -> None:
        fork = finisher.fork_of(ended, ended_at)
        self.book.add(ended.target.labels, fork)
        self.scanner.forget(ended.target.key)
        log(
            "fork ended",
            level="info" if fork.result == "saved" else "warning",
            **ended.target.labels._asdict(),
            pid=ended.target.key[0],
            cause=fork.cause,
            result=fork.result,
            seconds=round(fork.seconds, 3),
            copied_bytes=fork.copied_bytes,
            predicted_bytes=fork.predicted_bytes,
        )
        self._wake.set()
