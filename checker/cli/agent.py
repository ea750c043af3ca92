"""`bgsafe agent`: the servers of this node watched, as Prometheus metrics."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checker.cli.ending import usage_error
from checker.cli.options import Finite, read_policy

if TYPE_CHECKING:
    from checker.agent.loop import Agent, Options
    from checker.agent.troubles import Troubles
    from checker.policy import Policy

FILE = click.Path(path_type=Path, dir_okay=False)

DEFAULT_LISTEN = "127.0.0.1:9876"


@click.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    help="Read DIR/proc and DIR/sys in place of /proc and /sys.",
)
@click.option(
    "--listen", default=DEFAULT_LISTEN, show_default=True, metavar="ADDR:PORT", help="Where /metrics and /healthz are."
)
@click.option(
    "--interval",
    type=Finite(min=1, max=3600),
    default=15.0,
    show_default=True,
    help="Seconds from scan to scan; forks are watched all the time.",
)
@click.option("--once", is_flag=True, help="Scan once, print the metrics and exit: for cron and textfile collectors.")
@click.option("--redis-access", type=FILE, help="Servers that may be asked INFO, and how: docs/agent.md.")
@click.option("--pod-names", is_flag=True, help="Ask the API server for the names of this node's pods.")
@click.option("--node-facts", is_flag=True, help="Tell the webhook of this node: a ConfigMap in --namespace.")
@click.option("--node-name", envvar="NODE_NAME", show_envvar=True, help="This node's name in its cluster.")
@click.option("--namespace", envvar="POD_NAMESPACE", show_envvar=True, help="Of the agent's pod.")
@click.option("--pod-name", envvar="POD_NAME", show_envvar=True, help="Of the agent's pod.")
@click.option("--pod-uid", envvar="POD_UID", show_envvar=True, help="Of the agent's pod.")
@click.option("--policy", type=FILE, help="Policy file (defaults); read again when it changes.")
@click.option("--web-config", type=FILE, help="TLS and passwords for /metrics: the Prometheus exporters' format.")
@click.option(
    "--max-servers",
    type=click.IntRange(min=1, max=10000),
    default=256,
    show_default=True,
    help="Watch no more servers than this; each has about 50 series.",
)
def agent(*, root: Path, listen: str, once: bool, web_config: Path | None, **options: Any) -> None:
    """Watch the Redis-like servers of this node, predict their forks, and publish both as Prometheus metrics.

    Needs no credentials. As root (or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH) it sees all servers, else your own.
    """
    from checker.address import Address
    from checker.agent.loop import Agent
    from checker.agent.serving import Guard, Server
    from checker.agent.troubles import Troubles
    from checker.yaml_file import SettingsError

    for directory in ("proc", "sys"):
        if not (root / directory).is_dir():
            usage_error(f"--root {root}: {root / directory} is not a directory (expected a machine's /proc and /sys)")
    troubles = Troubles()
    made = Agent(_options(root, troubles, options, once=once), troubles)
    _warn_of_what_is_hidden(made, root)
    if once:
        click.echo(made.once(), nl=False)
        return
    try:
        address = Address.parse(listen)
        server = Server((address.host, address.port), made.page, Guard(web_config))
    except (SettingsError, ValueError) as error:
        usage_error(str(error))
    except OSError as error:
        usage_error(f"--listen {listen}: {error.strerror or error}")
    made.run(server, listen)


def _options(root: Path, troubles: Troubles, options: dict[str, Any], *, once: bool) -> Options:
    from checker.agent.access import Access, load
    from checker.agent.loop import Options
    from checker.agent.naming import PodNaming
    from checker.agent.publishing import Identity, Publisher
    from checker.cluster.api import ClusterError
    from checker.cluster.light import in_cluster
    from checker.yaml_file import SettingsError

    needs = {"pod_names": ("node_name",), "node_facts": ("node_name", "namespace")}
    for flag, names in needs.items():
        for name in names if options[flag] else ():
            if not options[name]:
                usage_error(f"--{flag.replace('_', '-')} needs --{name.replace('_', '-')}")
    try:
        access = Access() if options["redis_access"] is None else load(options["redis_access"])
        api = in_cluster() if options["pod_names"] or options["node_facts"] else None
    except (SettingsError, ClusterError) as error:
        usage_error(str(error))
    if access.pods and not options["pod_names"]:
        usage_error(f"--redis-access {options['redis_access']}: its pods need --pod-names")
    publisher = None
    if api is not None and options["node_facts"] and not once:
        who = {name: options[name] for name in ("node_name", "namespace", "pod_name", "pod_uid")}
        publisher = Publisher(api, Identity(**who), troubles)
    return Options(
        root=root,
        interval=options["interval"],
        most_servers=options["max_servers"],
        policy=_policy(options["policy"], troubles, once=once),
        access=access,
        naming=PodNaming(api if options["pod_names"] else None, options["node_name"], access, troubles),
        publisher=publisher,
    )


def _policy(path: Path | None, troubles: Troubles, *, once: bool) -> Callable[[], Policy]:
    if path is None or once:
        policy = read_policy(path)
        return lambda: policy
    from checker.facts import Unread
    from checker.watched_policy import WatchedPolicy
    from checker.yaml_file import SettingsError

    try:
        return WatchedPolicy(path, lambda: troubles.add("policy", Unread(str(path), "not a policy", "see the log")))
    except SettingsError as error:
        usage_error(str(error))


def _warn_of_what_is_hidden(made: Agent, root: Path) -> None:
    """Without root, or where /proc is mounted with hidepid, other users' servers do not exist for us: say so once."""
    from checker.facts import Unread
    from checker.probes.files import AS_ROOT, read_text
    from checker.probes.mountinfo import hides_processes, parse

    mounts = read_text(root / "proc/self/mountinfo")
    if isinstance(mounts, str) and hides_processes(parse(mounts), str(root / "proc")) and os.geteuid() != 0:
        why = "mounted with hidepid: servers of other users cannot be seen"
        made.troubles.add("processes", Unread(str(root / "proc"), why, AS_ROOT))
