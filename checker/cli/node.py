"""`bgsafe node`: the servers of this machine, or of this container."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from checker.cli.ending import EXIT_NOTHING_CHECKED, exit_code, usage_error, write_report
from checker.cli.options import (
    POSITIVE,
    assumption_options,
    output_options,
    read_assumptions,
    read_password,
    read_policy,
)
from checker.facts import Unread

NO_SERVER_FOUND = Unread(
    "no server",
    "no process here is a Redis-like server that may be looked at",
    "start one, be root, or give --redis URL",
)


@click.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    help="Read DIR/proc and DIR/sys in place of /proc and /sys.",
)
@click.option("--pid", "pids", type=click.IntRange(min=1), multiple=True, help="Judge this process.  [repeatable]")
@click.option("--redis", "urls", multiple=True, help="Ask this server too: redis://, rediss://, unix://.  [repeatable]")
@click.option(
    "--redis-password-file", type=click.Path(path_type=Path), help="Password for --redis; else REDISCLI_AUTH."
)
@click.option("--sample", type=click.IntRange(min=1), default=None, help="Look at so many keys for the data's shape.")
@click.option("--measure", type=POSITIVE, help="Count the pages really written in so many seconds (no fork).")
@click.option("--watch", is_flag=True, help="Redraw running saves on the terminal until Ctrl-C.")
@assumption_options
@output_options
def node(
    *,
    root: Path,
    pids: tuple[int, ...],
    urls: tuple[str, ...],
    redis_password_file: Path | None,
    sample: int | None,
    measure: float | None,
    watch: bool,
    **options: Any,
) -> None:
    """Judge the Redis-like servers of this machine, or of this container."""
    from checker.probes.observe import observe
    from checker.report.results import Report
    from checker.rules import judge_all

    assumptions, policy = read_assumptions(options), read_policy(options["policy"])
    password = read_password(redis_password_file)
    for directory in ("proc", "sys"):
        if not (root / directory).is_dir():
            usage_error(f"--root {root}: {root / directory} is not a directory (expected a machine's /proc and /sys)")
    if watch:
        _watch(
            lambda: observe(root, pids=pids, urls=urls, password=password, sample=sample or 0),
            lambda seen: judge_all(seen.servers, seen.node, assumptions, policy),
            options,
        )
    observation = observe(root, pids=pids, urls=urls, password=password, sample=sample or 0, measure_seconds=measure)
    verdicts = judge_all(observation.servers, observation.node, assumptions, policy)
    problems = observation.problems if verdicts or observation.problems else (NO_SERVER_FOUND,)
    report = Report(observation.node, verdicts, observation.not_servers, problems)
    write_report(report, options)
    if not verdicts:
        sys.exit(EXIT_NOTHING_CHECKED)
    sys.exit(exit_code([verdict.grade for verdict in verdicts], options["fail_on"]))


def _watch(look: Callable[[], Any], judge: Callable[[Any], Any], options: dict[str, Any]) -> NoReturn:
    """Draw until it is ended; then the exit code of what was seen last."""
    from checker.cli.watching import watch

    if options["formats"] or options["outputs"]:
        usage_error("--watch draws on the terminal: it takes no --format and no --output")
    if not sys.stdout.isatty():
        usage_error("--watch redraws a terminal, and standard output is none: leave --watch out")

    def once() -> tuple[Any, Any]:
        seen = look()
        return judge(seen), seen.problems

    verdicts = watch(once, colour=not options["no_color"] and "NO_COLOR" not in os.environ)
    if not verdicts:
        sys.exit(EXIT_NOTHING_CHECKED)
    sys.exit(exit_code([verdict.grade for verdict in verdicts], options["fail_on"]))
