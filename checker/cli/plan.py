"""`bgsafe plan`: sizes before anything runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checker.cli.ending import exit_code, usage_error, write_report
from checker.cli.options import (
    ENGINE,
    POSITIVE,
    SIZE,
    assumption_options,
    output_options,
    read_assumptions,
    read_policy,
)
from checker.facts import Unread

if TYPE_CHECKING:
    from checker.report.results import Report


PLOTS = (".svg", ".png", ".html")


@click.command()
@click.option("--maxmemory", type=SIZE, help="What bounds the data.")
@click.option("--limit", type=SIZE, help="The memory limit of the container.")
@click.option(
    "--engine", type=ENGINE, default="redis", show_default=True, help="With its version, if known: valkey:8.1."
)
@click.option("--replicas", type=click.IntRange(min=0, max=1000), default=0, show_default=True, help="Replicas of it.")
@click.option(
    "--persistence",
    type=click.Choice(["rdb", "aof", "both", "none"]),
    default="rdb",
    show_default=True,
    help="What it saves by itself.",
)
@click.option("--page-size", type=click.Choice(["4096", "16384", "65536"]), help="Of the nodes.  [default: 4096]")
@click.option("--cpu-limit", type=POSITIVE, help="Cores that the container may use.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw a save: FILE.svg, .png or .html.")
@assumption_options
@output_options
def plan(
    *,
    maxmemory: int | None,
    limit: int | None,
    engine: Any,
    replicas: int,
    persistence: Any,
    page_size: str | None,
    cpu_limit: float | None,
    plot: Path | None,
    **options: Any,
) -> None:
    """Size a server: of --maxmemory, --limit and --write-rate give two, and the third follows.

    With --keys and --value-size the data says its own size; with --value-size alone it fills maxmemory.
    """
    from checker.plan import PlanError, Wish
    from checker.plan import plan as answer
    from checker.report.results import Report

    if plot is not None and plot.suffix not in PLOTS:
        usage_error(f"--plot {plot}: the name ends in {', '.join(PLOTS)}")
    assumptions, policy = read_assumptions(options), read_policy(options["policy"])
    wish = Wish(
        maxmemory=maxmemory,
        limit=limit,
        engine=engine,
        replicas=replicas,
        persistence=persistence,
        page_size_bytes=int(page_size) if page_size else None,
        cpu_limit_cores=cpu_limit,
    )
    try:
        planned, verdict = answer(wish, assumptions, policy)
    except PlanError as error:
        usage_error(str(error))
    report = Report(None, (verdict,), plan=planned)
    if plot is not None:
        _draw(plot, report)
    write_report(report, options)
    sys.exit(exit_code([verdict.grade], options["fail_on"]))


def _draw(path: Path, report: Report) -> None:
    drawn: bytes | Unread
    if path.suffix == ".html":
        from checker.report import html

        drawn = html.render(report).encode()
    else:
        from checker.report.picture import draw

        drawn = draw(report.verdicts[0], "png" if path.suffix == ".png" else "svg", report.plan)
    if isinstance(drawn, Unread):
        usage_error(f"--plot {path}: {drawn}")
    try:
        path.write_bytes(drawn)
    except OSError as error:
        usage_error(f"--plot {path}: {error.strerror}")
