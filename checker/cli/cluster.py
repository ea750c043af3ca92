"""`bgsafe cluster`: what a whole cluster runs. Read-only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checker.cli.ending import EXIT_NOTHING_CHECKED, exit_code, usage_error, write_report
from checker.cli.options import assumption_options, output_options, read_assumptions, read_policy
from checker.facts import Maybe, Node, Unread

if TYPE_CHECKING:
    from checker.cluster.objects import Objects
    from checker.survey.observed import Observed


@click.command()
@click.option("--namespace", "-n", "namespaces", multiple=True, help="Look here alone.  [repeatable]")
@click.option("--all-namespaces", "-A", is_flag=True, help="Look everywhere, which is the default.")
@click.option("--selector", "-l", help="Only objects with these labels: app=redis,tier!=test.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="[default: KUBECONFIG, ~/.kube/config, or the pod]")
@click.option("--context", help="Of the kubeconfig.  [default: its current one]")
@click.option("--facts-namespace", help="Where agents publish what they see of their nodes (--node-facts).")
@click.option("--prometheus", metavar="URL", help="Take write rates and forks from the agents' metrics there.")
@assumption_options
@output_options
def cluster(
    *,
    namespaces: tuple[str, ...],
    all_namespaces: bool,
    selector: str | None,
    kubeconfig: Path | None,
    context: str | None,
    facts_namespace: str | None,
    prometheus: str | None,
    **options: Any,
) -> None:
    """Judge every Redis-like server of a Kubernetes cluster, the worst first. It only reads.

    It needs `list` of statefulsets, deployments, daemonsets, jobs, cronjobs, pods and limitranges, and `get` of
    configmaps; without some of them it says what it did not see, and goes on.
    """
    from checker.cluster.api import ClusterError, connect
    from checker.cluster.listing import Listing
    from checker.cluster.objects import Objects
    from checker.cluster.stored import Stored
    from checker.survey import Scope, Surveyor

    if namespaces and all_namespaces:
        usage_error("--namespace and --all-namespaces contradict each other: give one of them")
    assumptions, policy = read_assumptions(options), read_policy(options["policy"])
    problems: list[Unread] = []
    try:
        api = connect(kubeconfig, context, anywhere=True)
        objects = Objects(api)
        objects.probe()
    except ClusterError as error:
        usage_error(str(error))
    progress = _progress(options)
    surveyor = Surveyor(
        lists=Listing(api),
        elsewhere=Stored(objects, problems.append),
        scope=Scope(namespaces, selector),
        policy=policy,
        progress=progress,
        problems=problems,
    )
    report = surveyor.survey(_facts(objects, facts_namespace, problems), _observed(prometheus, problems), assumptions)
    progress("")
    write_report(report, options)
    if not report.verdicts:
        sys.exit(EXIT_NOTHING_CHECKED)
    sys.exit(exit_code([verdict.grade for verdict in report.verdicts], options["fail_on"]))


def _facts(objects: Objects, namespace: str | None, problems: list[Unread]) -> Mapping[str, Maybe[Node]]:
    """Node → what its agent published."""
    if namespace is None:
        return {}
    from datetime import UTC, datetime

    from checker.cluster.api import ClusterError
    from checker.node_facts import NodeFacts, parse

    try:
        told = [parse(published.get("data") or {}) for published in objects.node_facts(namespace)]
    except ClusterError as error:
        problems.append(Unread(f"node facts in {namespace}", str(error), "allow `list` of ConfigMaps there"))
        return {}
    problems += [one for one in told if isinstance(one, Unread)]
    now = datetime.now(UTC)
    return {one.name: one.fresh(now) for one in told if isinstance(one, NodeFacts)}


def _observed(url: str | None, problems: list[Unread]) -> Mapping[tuple[str, str], Observed]:
    if url is None:
        return {}
    from checker.survey.observed import QUERIES, observations
    from checker.survey.prometheus import ask

    answers = ask(url, QUERIES)
    if isinstance(answers, Unread):
        problems.append(answers)
        return {}
    return observations(answers)


def _progress(options: dict[str, Any]) -> Any:
    if options["quiet"] or not sys.stderr.isatty():
        return lambda _said: None
    return lambda said: click.echo(f"\r\x1b[K{said}", nl=False, err=True)
