"""`bgsafe verify`: a real fork beside its prediction."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checker.cli.ending import EXIT_FINDINGS, EXIT_NOTHING_CHECKED, usage_error, write_text
from checker.cli.options import DISTRIBUTION, LIMIT, NOT_NEGATIVE, SIZE
from checker.facts import Unread
from checker.policy import Assumptions

if TYPE_CHECKING:
    from checker.lab import Results
    from checker.verdict import Grade


@click.command()
@click.option("--server", type=click.Path(path_type=Path), help="Server binary.  [default: the first that is found]")
@click.option("--keys", type=click.IntRange(min=1), default=600_000, show_default=True, help="Keys to load.")
@click.option("--value-size", type=SIZE, default=100, show_default=True, help="Bytes of a value.")
@click.option("--write-rate", type=NOT_NEGATIVE, default=5000.0, show_default=True, help="Writes per second.")
@click.option(
    "--distribution", type=DISTRIBUTION, default="uniform", show_default=True, help="uniform, zipf:S, hot:PCT."
)
@click.option(
    "--type", "kind", default="string", show_default=True, help="What a key is: hash, zset, …; `?` lists all."
)
@click.option("--write", help="What is done to it: SETEX, EVICT-LRU, …  [default: the first of its type]")
@click.option("--elements", type=click.IntRange(min=1), help="Elements of a key, of --value-size each.")
@click.option("--fork", "way", default="bgsave", show_default=True, help="bgsave, or aof (BGREWRITEAOF).")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="CONFIG SET before loading. Repeatable.")
@click.option("--limit", type=LIMIT, default="none", show_default=True, help="Memory limit of the server's own cgroup.")
@click.option("--suite", type=click.Choice(["quick", "full"]), help="A set of runs in place of a single one.")
@click.option("--recorded", type=click.Path(path_type=Path), help="Judge recorded forks (JSON lines); starts nothing.")
@click.option("--append", type=click.Path(path_type=Path), help="Append what was measured to this file of JSON lines.")
@click.option("--accuracy", type=click.Path(path_type=Path), help="Write the figures of a suite as this Markdown page.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="File in place of stdout.")
@click.option(
    "--fail-on",
    type=click.Choice(["unsafe", "risky", "unknown", "never"]),
    default="unsafe",
    show_default=True,
    help="never: exit 0 also where bgsafe was wrong (a server called safe was killed, a peak above the worst case).",
)
@click.option("--no-color", is_flag=True, help="Plain text, which it is anyway.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def verify(suite: str | None, recorded: Path | None, accuracy: Path | None, **options: Any) -> None:
    """Fork a real server under a real load, and measure what bgsafe predicted."""
    from checker import lab

    try:
        if recorded is not None and suite is None:
            results = lab.run_recorded(recorded, predict=_predict())
        elif suite is not None:
            results = lab.run_suite(
                suite, _servers(options["server"]), predict=_predict(), ask=_grade_of, progress=_progress(options)
            )
        else:
            results = _single_run(options)
        if options["append"] is not None:
            lab.append_jsonl(options["append"], [run.case for run in results.runs])
        if accuracy is not None:
            _write_accuracy(accuracy, results, suite, recorded)
    except lab.Interrupted as interrupted:
        click.echo(f"bgsafe verify: {interrupted}; the server and its cgroup are removed", err=True)
        sys.exit(128 + interrupted.number)
    except (lab.CaseError, lab.LabError, OSError) as error:
        usage_error(str(error))
    write_text(lab.to_json(results) if options["form"] == "json" else lab.to_text(results), options["output"])
    if not results.runs:
        sys.exit(EXIT_NOTHING_CHECKED)
    wrong = any(run.was_wrongly_safe() or run.was_over_worst() for run in results.runs)
    sys.exit(EXIT_FINDINGS if wrong and options["fail_on"] != "never" else 0)


def _single_run(options: dict[str, Any]) -> Results:
    from checker import lab

    workload = _workload(options)
    limit = None if options["limit"] is None else lab.fixed(options["limit"])
    plan = lab.Plan(binary=_servers(options["server"])[0], workload=workload, limit=limit, fork=options["way"])
    run = lab.run_case(plan, predict=_predict(), ask=_grade_of, progress=_progress(options))
    return lab.Results((run,))


def _workload(options: dict[str, Any]) -> Any:
    """What to load and how to write, or exit with what there is to choose from."""
    from checker.lab import Workload, fork, kinds

    kind = kinds.KINDS.get(options["kind"])
    if kind is None:
        writes = "; ".join(f"{name}: {', '.join(kind.writes)}" for name, kind in kinds.KINDS.items())
        usage_error(f"--type {options['kind']}: is none of the types and their writes: {writes}")
    try:
        write, _ = kinds.write_of(options["kind"], options["write"])
    except KeyError as error:
        usage_error(f"--write {error.args[0]}")
    if options["way"] not in fork.WAYS:
        usage_error(f"--fork {options['way']}: is none of {', '.join(fork.WAYS)}")
    settings = tuple(tuple(setting.split("=", 1)) for setting in options["settings"])
    wrong = next((each[0] for each in settings if len(each) != 2), None)  # name and value
    if wrong is not None:
        usage_error(f"--set {wrong}: is not NAME=VALUE (rdbcompression=no)")
    return Workload(
        keys=options["keys"],
        value_bytes=options["value_size"],
        write_rate_per_second=options["write_rate"],
        distribution=options["distribution"],
        type=options["kind"],
        write=write,
        elements=options["elements"] or kind.elements,
        settings=settings,
    )


def _predict() -> Any:
    from checker.lab.predict import predict

    return predict


def _servers(path: Path | None) -> Sequence[Any]:
    from checker import lab

    if path is None:
        found = lab.find_servers()
        if not found:
            click.echo(f"bgsafe verify: {lab.NO_SERVER}", err=True)
            sys.exit(EXIT_NOTHING_CHECKED)
        return found
    binary = lab.read_binary(path)
    if isinstance(binary, Unread):
        usage_error(f"--server {binary}")
    return [binary]


def _grade_of(pid: int, url: str, assumptions: Assumptions) -> Grade | None:
    """What `bgsafe node --pid PID --redis URL` answers."""
    from checker.probes.observe import observe
    from checker.rules import judge_all

    observation = observe(pids=(pid,), urls=(url,))
    verdicts = judge_all(observation.servers, observation.node, assumptions)
    return verdicts[0].grade if verdicts else None


def _progress(options: dict[str, Any]) -> Callable[[str], None]:
    if options["quiet"] or not sys.stderr.isatty():
        return lambda _step: None
    return lambda step: click.echo(f"\r\x1b[K{step}", nl=False, err=True)


def _write_accuracy(page: Path, results: Results, suite: str | None, recorded: Path | None) -> None:
    from datetime import UTC, datetime

    from checker.lab import run_recorded
    from checker.lab.accuracy import write_accuracy

    if suite is None:
        usage_error("--accuracy goes with --suite")
    command = f"bgsafe verify --suite {suite} --accuracy {page}" + (f" --recorded {recorded}" if recorded else "")
    cases = run_recorded(recorded, predict=_predict()) if recorded else None
    write_accuracy(page, results, cases, command=command, today=datetime.now(UTC).date())
