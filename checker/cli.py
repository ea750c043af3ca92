"""The `bgsafe` command: thin shells round the checker. Nothing is decided here; heavy libraries load where used."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from checker import __version__
from checker.facts import Unread
from checker.policy import Assumptions, Distribution, Policy
from checker.units import UnitError, parse_rate, parse_size

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from checker.lab import Results
    from checker.lint import Linted
    from checker.manifests.files import Sources
    from checker.report.results import Report
    from checker.verdict import Grade

EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_NOTHING_CHECKED = 3
EXIT_BUG = 70
"""sysexits.h EX_SOFTWARE: a crash must not look like a finding (Python would exit with 1)."""

NO_SERVER_FOUND = Unread(
    "no server",
    "no process here is a Redis-like server that may be looked at",
    "start one, be root, or give --redis URL",
)

SEVERITY: Sequence[str] = ("unknown", "risky", "unsafe")
"""Verdicts that `--fail-on` can name, in rising order; `safe` never fails."""

Function = TypeVar("Function", bound=Callable[..., Any])


class _Parsed(click.ParamType[Any]):
    """An option whose text one of our own parsers reads."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; a ValueError's text becomes the usage error."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (UnitError, ValueError) as error:
            self.fail(str(error), param, ctx)


def _limit(text: str) -> int | None:
    return None if text == "none" else parse_size(text)


class _FormatName(click.ParamType[str]):
    """A name of `report.FORMATS`, which is imported only once somebody writes one, or asks for help."""

    name = "format"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """`[text|json|…]`."""
        return self._choice().get_metavar(param, ctx) or self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """One of the names, or a usage error that lists them."""
        return self._choice().convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """The names, for the shell."""
        return self._choice().shell_complete(ctx, param, incomplete)

    @staticmethod
    def _choice() -> click.Choice[str]:
        from checker.report import FORMATS

        return click.Choice(list(FORMATS))


SIZE = _Parsed("size", parse_size)
RATE = _Parsed("size/s", parse_rate)
LIMIT = _Parsed("size|none", _limit)
DISTRIBUTION = _Parsed("distribution", Distribution.parse)
POSITIVE = click.FloatRange(min=0, min_open=True)


def _together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


assumption_options = _together(
    click.option("--write-rate", type=click.FloatRange(min=0), help="Writes per second while a child lives."),
    click.option("--save-seconds", type=POSITIVE, help="How long a save takes."),
    click.option("--save-throughput", type=RATE, help="Resident bytes per second of a save, such as 80MB/s."),
    click.option(
        "--fragmentation", type=click.FloatRange(min=1), help="Resident / used_memory when only maxmemory is known."
    ),
    click.option("--keys", type=click.IntRange(min=1), help="Number of keys, where it is known and cannot be read."),
    click.option("--value-size", type=SIZE, help="Bytes of a value, where it is known and cannot be read."),
    click.option("--distribution", type=DISTRIBUTION, help="Which keys are written: uniform, zipf:S or hot:PCT."),
    click.option("--policy", type=click.Path(path_type=Path), help="Policy file (defaults, modes, exemptions)."),
)

output_options = _together(
    click.option(
        "--format",
        "formats",
        multiple=True,
        type=_FormatName(),
        help="Repeatable; the n-th goes with the n-th --output.  [default: text]",
    ),
    click.option("--output", "outputs", multiple=True, type=click.Path(path_type=Path), help="File, or - for stdout."),
    click.option(
        "--fail-on",
        type=click.Choice(["unsafe", "risky", "unknown", "never"]),
        default="unsafe",
        show_default=True,
        help="Exit 1 when a verdict is at or above this.",
    ),
    click.option("--no-color", is_flag=True, help="Plain text, also on a terminal."),
    click.option("-q", "--quiet", is_flag=True, help="One line for each server and problem."),
)


class _Commands(click.Group):
    """Adds the commands of packages that checker does not know: entry points, loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, for --help."""
        return sorted({*super().list_commands(ctx), *_entry_points().names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Our own first, so that no package replaces one."""
        own = super().get_command(ctx, cmd_name)
        if own is None:
            found: Sequence[click.Command] = [point.load() for point in _entry_points().select(name=cmd_name)]
            return found[0] if found else None
        return own


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group="bgsafe.commands")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bgsafe")
def cli() -> None:
    """Will the next fork() of this Redis be refused, or get it killed?

    Exit codes: 0 nothing at or above --fail-on, 1 findings at or above it, 2 usage or unreadable input,
    3 ran but nothing could be checked.
    """


@cli.command()
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
    **options: Any,
) -> None:
    """Judge the Redis-like servers of this machine, or of this container."""
    from checker.probes.observe import observe
    from checker.report.results import Report
    from checker.rules import judge_all

    assumptions, policy = _assumptions(options), _policy(options["policy"])
    password = _password(redis_password_file)
    for directory in ("proc", "sys"):
        if not (root / directory).is_dir():
            _usage_error(f"--root {root}: {root / directory} is not a directory (expected a machine's /proc and /sys)")
    observation = observe(root, pids=pids, urls=urls, password=password, sample=sample or 0, measure_seconds=measure)
    verdicts = judge_all(observation.servers, observation.node, assumptions, policy)
    problems = observation.problems if verdicts or observation.problems else (NO_SERVER_FOUND,)
    report = Report(observation.node, verdicts, observation.not_servers, problems)
    _write_report(report, options)
    if not verdicts:
        sys.exit(EXIT_NOTHING_CHECKED)
    sys.exit(_exit_code([verdict.grade for verdict in verdicts], options["fail_on"]))


@cli.command()
@click.argument("paths", metavar="PATH... | -", nargs=-1, required=True)
@click.option("--fix", is_flag=True, help="Write what makes unsafe servers fit into the files; - goes to stdout.")
@click.option("--diff", is_flag=True, help="Show what --fix would write, and write nothing.")
@click.option("--allow-none", is_flag=True, help="Exit 0, not 3, where no Redis-like server is found.")
@assumption_options
@output_options
def lint(*, paths: tuple[str, ...], fix: bool, diff: bool, allow_none: bool, **options: Any) -> None:
    """Judge the Redis-like servers that manifests would start: files, directories, or - for standard input.

    With --fix the report is on what remains. Where stdout has a diff or a manifest, the report goes to stderr.
    """
    from checker.lint import lint as lint_texts
    from checker.lint import with_patches
    from checker.manifests import files

    if fix and diff:
        _usage_error("--fix writes and --diff only shows: give one of them")
    assumptions, policy = _assumptions(options), _policy(options["policy"])
    sources = files.Sources(paths, sys.stdin)
    linted = lint_texts(sources.documents(), assumptions, policy)
    if fix or diff:
        _apply(linted, sources, write=fix)
    if fix:
        linted = lint_texts(sources.documents(), assumptions, policy)
    report = linted.report
    if "json" in options["formats"]:
        report = with_patches(report, linted.answers(), sources.text)
    _write_report(report, options, err=diff or (fix and sources.has_stdin))
    if report.problems:
        sys.exit(EXIT_USAGE)
    if not report.verdicts and not report.exempt and not allow_none:
        sys.exit(EXIT_NOTHING_CHECKED)
    sys.exit(_exit_code([verdict.grade for verdict in report.verdicts], options["fail_on"]))


def _apply(linted: Linted, sources: Sources, *, write: bool) -> None:
    """Write the fixes, or show them; say of each unsafe server what was done, or why nothing."""
    from checker.fix import Fix
    from checker.lint import changes

    answers = linted.answers()
    failed: dict[str, Unread] = {}
    for change in changes(answers, sources.text):
        if isinstance(change, Unread):
            failed[change.where] = change
        elif not write:
            click.echo(change.difference(), nl=False)
        elif (why := sources.write(change.file, change.after)) is not None:
            failed[change.file] = why
    for answer in answers:
        subject = answer.verdict.server.subject
        who = f"{subject.file}:{subject.line} {subject.kind} {subject.name}/{subject.container}"
        if not isinstance(answer, Fix):
            click.echo(f"not fixed: {who}: {answer.why.why} ({answer.why.remedy})", err=True)
        elif refused := next((failed[file] for file in answer.files if file in failed), None):
            click.echo(f"not fixed: {who}: {refused}", err=True)
        else:
            click.echo(f"{'fixed' if write else 'would fix'}: {who}: {answer}", err=True)
    if write and sources.has_stdin and isinstance(stream := sources.text(sources.STDIN), str):
        click.echo(stream, nl=False)


@cli.command()
@click.argument("rule", default="list")
def explain(rule: str) -> None:
    """Say what RULE asks, why, and what to change; `list` names all rules."""
    from checker.explain import explanation, rule_list

    if rule == "list":
        click.echo(rule_list())
        return
    text = explanation(rule)
    if text is None:
        _usage_error(f"no rule {rule!r}; `bgsafe explain list` names them")
    click.echo(text)


@cli.command()
@click.option("--server", type=click.Path(path_type=Path), help="Server binary.  [default: the first that is found]")
@click.option("--keys", type=click.IntRange(min=1), default=600_000, show_default=True, help="Keys to load.")
@click.option("--value-size", type=SIZE, default=100, show_default=True, help="Bytes of a value.")
@click.option(
    "--write-rate", type=click.FloatRange(min=0), default=5000.0, show_default=True, help="Writes per second."
)
@click.option(
    "--distribution", type=DISTRIBUTION, default="uniform", show_default=True, help="uniform, zipf:S, hot:PCT."
)
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
        _usage_error(str(error))
    _write_text(lab.to_json(results) if options["form"] == "json" else lab.to_text(results), options["output"])
    if not results.runs:
        sys.exit(EXIT_NOTHING_CHECKED)
    wrong = any(run.was_wrongly_safe() or run.was_over_worst() for run in results.runs)
    sys.exit(EXIT_FINDINGS if wrong and options["fail_on"] != "never" else 0)


def _single_run(options: dict[str, Any]) -> Results:
    from checker import lab

    workload = lab.Workload(
        keys=options["keys"],
        value_bytes=options["value_size"],
        write_rate_per_second=options["write_rate"],
        distribution=options["distribution"],
    )
    limit = None if options["limit"] is None else lab.fixed(options["limit"])
    plan = lab.Plan(binary=_servers(options["server"])[0], workload=workload, limit=limit)
    run = lab.run_case(plan, predict=_predict(), ask=_grade_of, progress=_progress(options))
    return lab.Results((run,))


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
        _usage_error(f"--server {binary}")
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
        _usage_error("--accuracy goes with --suite")
    command = f"bgsafe verify --suite {suite} --accuracy {page}" + (f" --recorded {recorded}" if recorded else "")
    cases = run_recorded(recorded, predict=_predict()) if recorded else None
    write_accuracy(page, results, cases, command=command, today=datetime.now(UTC).date())


# --- shared by the commands ------------------------------------------------------------------------------------------


def _usage_error(message: str) -> NoReturn:
    raise click.UsageError(message)


def _assumptions(options: dict[str, Any]) -> Assumptions:
    if options["save_seconds"] is not None and options["save_throughput"] is not None:
        _usage_error("--save-seconds and --save-throughput say the same thing: give one of them")
    if options["keys"] is not None and options["value_size"] is None:
        _usage_error("--keys needs --value-size: the shape of the data is both")
    if options["save_throughput"] == 0:
        _usage_error("--save-throughput 0: a save that never ends cannot be judged")
    return Assumptions(
        write_rate_per_second=options["write_rate"],
        save_seconds=options["save_seconds"],
        save_throughput_per_second=options["save_throughput"],
        fragmentation_ratio=options["fragmentation"],
        keys=options["keys"],
        value_bytes=options["value_size"],
        distribution=options["distribution"],
    )


def _policy(path: Path | None) -> Policy:
    if path is None:
        return Policy()
    from checker.policy_file import PolicyError, load

    try:
        return load(path)
    except PolicyError as error:
        _usage_error(str(error))


def _password(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get("REDISCLI_AUTH")
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        _usage_error(f"--redis-password-file {path}: {error}")


def _write_report(report: Report, options: dict[str, Any], *, err: bool = False) -> None:
    """Render every --format to its --output; the rest goes to stdout, or to stderr."""
    from checker.report import FORMATS

    formats: Sequence[str] = options["formats"] or ("text",)
    outputs: Sequence[Path] = options["outputs"]
    if len(outputs) > len(formats):
        _usage_error(f"{len(outputs)} --output for {len(formats)} --format: each file needs its format")
    for index, name in enumerate(formats):
        path = outputs[index] if index < len(outputs) else None
        terminal = (sys.stderr if err else sys.stdout).isatty()
        colour = path is None and not options["no_color"] and terminal and "NO_COLOR" not in os.environ
        _write_text(FORMATS[name].render(report, colour, options["quiet"]), path, err=err)


def _write_text(text: str, path: Path | None, *, err: bool = False) -> None:
    if path is None or str(path) == "-":
        click.echo(text, nl=False, err=err)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        _usage_error(f"--output {path}: {error.strerror}")


def _exit_code(grades: Sequence[Grade], fail_on: str) -> int:
    if fail_on == "never":
        return 0
    least = SEVERITY.index(fail_on)
    return EXIT_FINDINGS if any(grade in SEVERITY[least:] for grade in grades) else 0


def main() -> None:
    """Entry point of the `bgsafe` command."""
    try:
        cli(prog_name="bgsafe")
    except Exception:  # noqa: BLE001 - the last resort: whatever it is, it is our bug and no verdict
        import traceback

        traceback.print_exc()
        click.echo("bgsafe: this is a bug in bgsafe, not a verdict; please report it with the lines above", err=True)
        sys.exit(EXIT_BUG)


if __name__ == "__main__":
    main()
