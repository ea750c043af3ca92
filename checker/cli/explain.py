"""`bgsafe explain`: what a rule asks, and why."""

from __future__ import annotations

import click

from checker.cli.ending import usage_error


@click.command()
@click.argument("rule", default="list")
def explain(rule: str) -> None:
    """Say what RULE asks, why, and what to change; `list` names all rules."""
    from checker.explain import explanation, rule_list

    if rule == "list":
        click.echo(rule_list())
        return
    text = explanation(rule)
    if text is None:
        usage_error(f"no rule {rule!r}; `bgsafe explain list` names them")
    click.echo(text)
