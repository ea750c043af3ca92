"""`bgsafe lint`: the servers that manifests would start."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from checker.cli.ending import EXIT_NOTHING_CHECKED, EXIT_USAGE, exit_code, usage_error, write_report
from checker.cli.options import assumption_options, output_options, read_assumptions, read_policy
from checker.facts import Unread

if TYPE_CHECKING:
    from checker.lint import Linted
    from checker.manifests.files import Sources


@click.command()
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
        usage_error("--fix writes and --diff only shows: give one of them")
    assumptions, policy = read_assumptions(options), read_policy(options["policy"])
    sources = files.Sources(paths, sys.stdin)
    linted = lint_texts(sources.documents(), assumptions, policy)
    if fix or diff:
        _apply(linted, sources, write=fix)
    if fix:
        linted = lint_texts(sources.documents(), assumptions, policy)
    report = linted.report
    if "json" in options["formats"]:
        report = with_patches(report, linted.answers(), sources.text)
    write_report(report, options, err=diff or (fix and sources.has_stdin))
    if report.problems:
        sys.exit(EXIT_USAGE)
    if not report.verdicts and not report.exempt and not allow_none:
        sys.exit(EXIT_NOTHING_CHECKED)
    sys.exit(exit_code([verdict.grade for verdict in report.verdicts], options["fail_on"]))


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
