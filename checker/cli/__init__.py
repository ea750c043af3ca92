"""The `bgsafe` command: thin shells round the checker, a module each. Nothing is decided here; heavy libraries load
where they are used, and a command's module when somebody asks for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from checker import __version__
from checker.cli.ending import EXIT_BUG

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

COMMANDS: Final = ("agent", "cluster", "explain", "lint", "node", "plan", "verify")
"""Modules of this package; each has its command under its own name."""


class _Commands(click.Group):
    """Loads the commands of `COMMANDS`, and those of packages that checker does not know: their entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, for --help."""
        return sorted({*COMMANDS, *_entry_points().names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Our own first, so that no package replaces one."""
        if cmd_name in COMMANDS:
            own: click.Command = getattr(import_module(f"checker.cli.{cmd_name}"), cmd_name)
            return own
        found: Sequence[click.Command] = [point.load() for point in _entry_points().select(name=cmd_name)]
        return found[0] if found else None


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


def main() -> None:
    """Entry point of the `bgsafe` command."""
    try:
        cli(prog_name="bgsafe")
    except Exception:  # noqa: BLE001 - the last resort: whatever it is, it is our bug and no verdict
        import traceback

        traceback.print_exc()
        click.echo("bgsafe: this is a bug in bgsafe, not a verdict; please report it with the lines above", err=True)
        sys.exit(EXIT_BUG)
