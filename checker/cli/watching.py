"""`bgsafe node --watch`: look, draw, wait, until somebody ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checker.facts import Unread
    from checker.verdict import Verdict

EVERY_SECONDS = 0.5
"""Between two looks: as fast as one reads, and far from what a look costs."""


def watch(look: Callable[[], tuple[Sequence[Verdict], Sequence[Unread]]], *, colour: bool) -> Sequence[Verdict]:
    """Redraw until SIGINT, SIGTERM or SIGHUP; return what was seen last."""
    from rich.console import Console
    from rich.live import Live

    from checker.lab.interrupts import Interrupted, interruptible
    from checker.report.live import Seen, followed, picture

    seen: dict[int, Seen] = {}
    verdicts: Sequence[Verdict] = ()
    try:
        with interruptible(), Live(console=Console(no_color=not colour), auto_refresh=False) as live:
            while True:
                verdicts, problems = look()
                seen = followed(seen, verdicts)
                live.update(picture(verdicts, seen, problems), refresh=True)
                time.sleep(EVERY_SECONDS)
    except Interrupted:
        return verdicts
