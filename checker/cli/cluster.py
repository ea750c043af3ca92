"""`bgsafe cluster`: the servers of a Kubernetes cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checker.cli.ending import EXIT_NOTHING_CHECKED, EXIT_USAGE, exit_code, usage_error, write_report
from checker.cli.options import assumption_options, output_options, read_assumptions, read_policy
from checker.facts import Unread

if TYPE_CHECKING:
    from checker.survey.observed import Observed, Where
    from checker.survey.reading import Reading, Wanted

NO_SERVER_FOUND = Unread("no server", "nothing that was read starts a Redis-like server", "see -n, --selector")


@click.command()
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Read this namespace alone.  [repeatable]")
@click.option("-A", "--all-namespaces", is_flag=True, help="Read all namespaces, as without -n.")
@click.option("--context", help="Context of the kubeconfig.  [default: its current one]")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="As kubectl has it: KUBECONFIG, ~/.kube/config.")
@click.option("-l", "--selector", help="Labels of workloads and pods, as kubectl has them.")
@click.option("--facts-namespace", metavar="NS", help="Where agents publish facts of their nodes.  [default: bgsafe]")
@click.option("--prometheus", metavar="URL", help="Take the write rates and forks that agents observed from there.")
@click.option("--prometheus-token-file", type=click.Path(path_type=Path), help="Bearer token for it.")
@click.option("--prometheus-ca-file", type=click.Path(path_type=Path), help="Authorities for its certificate.")
@click.option(
    "--hours", type=click.IntRange(1, 24 * 31), default=24, show_default=True, help="How far back --prometheus looks."
)
@click.option("--allow-none", is_flag=True, help="Exit 0, not 3, where no Redis-like server is found.")
@assumption_options
@output_options
def cluster(**options: Any) -> None:
    """Judge the Redis-like servers of a Kubernetes cluster, each workload once, the worst first.

    Read-only, and no Secret is read. Exit code 1 goes before 2, so that a permission that is missing hides no finding.
    """
    assumptions, policy = read_assumptions(options), read_policy(options["policy"])
    if options["all_namespaces"] and options["namespaces"]:
        usage_error("-A reads all namespaces and -n only some: give one of them")
    for given in ("prometheus_token_file", "prometheus_ca_file"):
        if options[given] and not options["prometheus"]:
            usage_error(f"--{given.replace('_', '-')} goes with --prometheus")
    from checker.survey import judged
    from checker.survey.reading import Wanted

    wanted = Wanted(
        namespaces=tuple(dict.fromkeys(options["namespaces"])),
        selector=options["selector"],
        facts_namespace=options["facts_namespace"] or "bgsafe",
        facts_required=options["facts_namespace"] is not None,
        engines=policy.engines,
    )
    ask = _observations(options)
    reading = _read(options["kubeconfig"], options["context"], wanted)
    report = judged(reading, assumptions, policy, ask(reading.problems), options["hours"])
    none = not report.verdicts and not report.exempt
    if none and not report.problems and not options["allow_none"]:
        reading.problems.append(NO_SERVER_FOUND)
        report = judged(reading, assumptions, policy)
    write_report(report, options)
    findings = exit_code([verdict.grade for verdict in report.verdicts], options["fail_on"])
    if none and (reading.lists == 0 or not options["allow_none"]):
        sys.exit(EXIT_NOTHING_CHECKED)
    sys.exit(findings or (EXIT_USAGE if report.problems else 0))


def _read(kubeconfig: Path | None, context: str | None, wanted: Wanted) -> Reading:
    """Connect and read; whoever waits at a terminal sees that something happens."""
    from checker.cluster.api import ClusterError, ForbiddenError, connect
    from checker.cluster.lists import Lists
    from checker.cluster.objects import Objects
    from checker.survey.reading import Reading, read

    try:
        client = connect(kubeconfig, context, anywhere=True)
    except ClusterError as error:
        usage_error(str(error))
    objects = Objects(client)
    try:
        objects.probe()
    except ForbiddenError:
        pass  # it is there, and says so
    except ClusterError as error:
        return Reading(problems=[Unread("API server", str(error), "see whether kubectl reaches it")])
    shows = sys.stderr.isatty()
    reading = read(Lists(client), objects, wanted, _show if shows else lambda _: None)
    if shows:
        click.echo("\r\x1b[K", nl=False, err=True)
    return reading


def _show(count: int) -> None:
    click.echo(f"\r{count:,} objects read", nl=False, err=True)


def _observations(options: dict[str, Any]) -> Callable[[list[Unread]], dict[Where, Observed] | None]:
    """Asks Prometheus, where one is given; what it does not answer is added to the problems."""
    if not options["prometheus"]:
        return lambda _: None
    from checker.cluster.prometheus import Prometheus, PrometheusError
    from checker.survey.observed import gather, queries

    try:
        prometheus = Prometheus(
            options["prometheus"],
            token_file=options["prometheus_token_file"],
            ca_file=options["prometheus_ca_file"],
        )
    except PrometheusError as error:
        usage_error(str(error))

    def ask(problems: list[Unread]) -> dict[Where, Observed] | None:
        try:
            return gather({name: prometheus.query(text) for name, text in queries(options["hours"]).items()})
        except PrometheusError as error:
            problems.append(Unread("Prometheus", str(error), "write rates and saves are assumed until it answers"))
            return None

    return ask
