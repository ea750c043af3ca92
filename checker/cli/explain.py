"""`bgsafe explain`: the story, a tiny experiment, and what each rule asks."""

from __future__ import annotations

import sys

import click

from checker.cli.ending import usage_error


@click.command()
@click.argument("rule", metavar="[RULE | list]", required=False)
@click.option("--try", "tries", is_flag=True, help="Fork a process here, write its pages, and show what that costs.")
def explain(rule: str | None, *, tries: bool) -> None:
    """Tell why a save can kill a server; with RULE, what that rule asks and what to change; `list` names all rules."""
    from checker.explain import explanation, rule_list, story

    if tries:
        if rule is not None:
            usage_error("--try goes with the story, not with a rule")
        _try()
    elif rule is None:
        _say(story())
    elif rule == "list":
        click.echo(rule_list())
    else:
        text = explanation(rule)
        if text is None:
            usage_error(f"no rule {rule!r}; `bgsafe explain list` names them")
        _say(text)


def _say(text: str) -> None:
    """Markdown as it is, for pipes; on a terminal as it is meant."""
    if not sys.stdout.isatty():
        click.echo(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


def _try() -> None:
    from checker.lab import LabError
    from checker.lab.experiment import run

    try:
        click.echo(run().text())
    except LabError as error:
        usage_error(str(error))
