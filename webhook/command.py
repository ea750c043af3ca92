"""`bgsafe webhook`: options in, a running server out. Little is imported until it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checker.cli.options import Finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from checker.facts import Maybe
    from webhook.certs import Place
    from webhook.lookups import Lookups
    from webhook.server import Server
    from webhook.tls import Serving

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where every pod with a service account finds its namespace."""

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("webhook")
@click.option("--listen", default="0.0.0.0:8443", show_default=True, metavar="ADDR:PORT", help="Where to listen.")
@click.option("--tls-cert", type=FILE, help="PEM certificate chain; read again when it changes.")
@click.option("--tls-key", type=FILE, help="Its PEM key.")
@click.option("--client-ca", type=FILE, help="Only clients with a certificate of this CA (PEM) are served.")
@click.option("--self-signed", is_flag=True, help="Make and renew a CA and a certificate, kept in a Secret.")
@click.option("--namespace", help="Of the Secret, the Service and the node facts.  [default: the pod's own]")
@click.option("--secret", default="bgsafe-webhook-tls", show_default=True, help="Secret of --self-signed.")
@click.option("--service", default="bgsafe-webhook", show_default=True, help="Service that the API server calls.")
@click.option(
    "--webhook-configuration",
    default="bgsafe",
    show_default=True,
    help="ValidatingWebhookConfiguration that --self-signed gives its CA to.",
)
@click.option("--resolve", is_flag=True, help="Read ConfigMaps, LimitRanges and namespace labels from the API server.")
@click.option("--node-facts", is_flag=True, help="Answer for the nodes where a pod may be put, by what agents publish.")
@click.option("--kubeconfig", type=FILE, help="How to reach the API server.  [default: the pod's own service account]")
@click.option("--policy", type=FILE, help="Policy file; read again when it changes.")
@click.option(
    "--drain-seconds",
    type=Finite(min=0, max=60),
    default=5.0,
    show_default=True,
    help="How long to go on accepting after SIGTERM.",
)
def webhook(**options: Any) -> None:
    """Answer the API server's admission reviews: warn on, or deny, unsafe Redis-like pods."""
    from checker.address import Address
    from checker.policy_file import PolicyError, load
    from webhook.parent import mind

    try:
        from webhook.server import EXIT_CANNOT_START, Timing, listen, work
    except ImportError as error:
        remedy = "the webhook has dependencies of its own: pip install 'bgsafe[webhook]'"
        raise click.UsageError(f"{error}; {remedy}") from error
    timing = Timing(drain=options["drain_seconds"])
    files = (options["tls_cert"], options["tls_key"])
    if options["self_signed"] == any(files) or (any(files) and not all(files)):
        raise click.UsageError("give --tls-cert and --tls-key, or --self-signed")
    try:
        address = Address.parse(options["listen"])
        if options["policy"] is not None:
            load(options["policy"])
        listening = listen(address.host, address.port)
    except (ValueError, PolicyError) as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"--listen {options['listen']}: {error.strerror}") from error
    if options["self_signed"] or options["node_facts"]:
        options["namespace"] = options["namespace"] or _own_namespace()
    place = _place(options) if options["self_signed"] else None
    code = mind(
        lambda parent_alive: work(_server(options, place, listening, timing), parent_alive),
        cannot_start=EXIT_CANNOT_START,
        stop_seconds=timing.drain + timing.grace + 1.0,
    )
    sys.exit(code)


def _own_namespace() -> str:
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError as error:
        why = f"{NAMESPACE_FILE}: {error.strerror}"
        raise click.UsageError(f"--self-signed and --node-facts need --namespace: {why}") from error


def _place(options: dict[str, Any]) -> Place:
    from webhook.certs import Place

    namespace, service = options["namespace"], options["service"]
    names = tuple(f"{service}.{namespace}{suffix}" for suffix in (".svc", ".svc.cluster.local", ""))
    return Place(
        namespace=namespace, secret=options["secret"], configuration=options["webhook_configuration"], names=names
    )


def _server(options: dict[str, Any], place: Place | None, listening: Any, timing: Any) -> Server:
    """The server of a worker process; with --self-signed it waits here for the first certificate."""
    from time import time

    from checker.policy import Policy
    from checker.watched_policy import WatchedPolicy
    from webhook.app import create_app
    from webhook.issuing import expiry_seconds
    from webhook.metrics import Metrics
    from webhook.server import Server

    def expiry() -> float:
        return expiry_seconds(server.serving.certificate) if server.serving else 0.0

    def not_ready() -> str | None:
        if expiry() <= time():
            return "the serving certificate has expired: renew it"
        return lookups.not_ready() if lookups else None

    metrics = Metrics(expiry)
    built_in = Policy()
    policy: Callable[[], Policy] = lambda: built_in  # noqa: E731 - one of two
    if options["policy"] is not None:
        policy = WatchedPolicy(options["policy"], lambda: metrics.count_error("policy"))
    lookups = _lookups(options, lambda: metrics.count_error("lookup"))
    application = create_app(policy, around=lookups, not_ready=not_ready, metrics=metrics)
    server = Server(application, listening, _certificates(options, place), timing=timing)
    return server


def _lookups(options: dict[str, Any], failed: Callable[[], None]) -> Lookups | None:
    if not (options["resolve"] or options["node_facts"]):
        return None
    from checker.cluster.api import connect
    from checker.cluster.objects import Objects
    from webhook.lookups import Lookups

    lookups = Lookups(
        lambda: Objects(connect(options["kubeconfig"])),
        resolve=options["resolve"],
        facts_namespace=options["namespace"] if options["node_facts"] else None,
        failed=failed,
    )
    lookups.start()
    return lookups


def _certificates(options: dict[str, Any], place: Place | None) -> Callable[[], Maybe[Serving]]:
    from checker.cluster.api import connect
    from checker.cluster.certificates import ClusterStore
    from webhook.keeper import Keeper
    from webhook.tls import Files

    client_ca: Path | None = options["client_ca"]
    if place is None:
        return Files(options["tls_cert"], options["tls_key"], client_ca).read
    try:
        keeper = Keeper(
            lambda: ClusterStore(connect(options["kubeconfig"])), place, client_ca.read_bytes() if client_ca else None
        )
    except OSError as error:
        raise click.UsageError(f"--client-ca {client_ca}: {error.strerror}") from error
    keeper.start()
    return keeper.read
