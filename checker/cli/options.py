"""Options that several commands have, and what becomes of their text."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import click

from checker.cli.ending import usage_error
from checker.policy import Assumptions, Distribution, Policy
from checker.units import UnitError, parse_rate, parse_size

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


def _engine(text: str) -> Any:
    from checker.plan import parse_engine

    return parse_engine(text)


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
ENGINE = _Parsed("engine", _engine)
DISTRIBUTION = _Parsed("distribution", Distribution.parse)


class Finite(click.FloatRange):
    """A range of numbers: what is not one (`nan` is in every range) or has no end is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A finite number in the range, or a usage error."""
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


POSITIVE = Finite(min=0, min_open=True)
NOT_NEGATIVE = Finite(min=0)
AT_LEAST_ONE = Finite(min=1)


def _together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


assumption_options = _together(
    click.option("--write-rate", type=NOT_NEGATIVE, help="Writes per second while a child lives."),
    click.option("--save-seconds", type=POSITIVE, help="How long a save takes."),
    click.option("--save-throughput", type=RATE, help="Resident bytes per second of a save, such as 80MB/s."),
    click.option("--fragmentation", type=AT_LEAST_ONE, help="Resident / used_memory when only maxmemory is known."),
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


def read_assumptions(options: dict[str, Any]) -> Assumptions:
    if options["save_seconds"] is not None and options["save_throughput"] is not None:
        usage_error("--save-seconds and --save-throughput say the same thing: give one of them")
    if options["keys"] is not None and options["value_size"] is None:
        usage_error("--keys needs --value-size: the shape of the data is both")
    if options["save_throughput"] == 0:
        usage_error("--save-throughput 0: a save that never ends cannot be judged")
    return Assumptions(
        write_rate_per_second=options["write_rate"],
        save_seconds=options["save_seconds"],
        save_throughput_per_second=options["save_throughput"],
        fragmentation_ratio=options["fragmentation"],
        keys=options["keys"],
        value_bytes=options["value_size"],
        distribution=options["distribution"],
    )


def read_policy(path: Path | None) -> Policy:
    if path is None:
        return Policy()
    from checker.policy_file import PolicyError, load

    try:
        return load(path)
    except PolicyError as error:
        usage_error(str(error))


def read_password(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get("REDISCLI_AUTH")
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        usage_error(f"--redis-password-file {path}: {error}")
