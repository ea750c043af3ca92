"""What to paste: the configuration file, the resources of a container, the values of the common Helm charts.

The names of values were read in the charts themselves: bitnami/redis and bitnami/valkey (`commonConfiguration` takes
the place of the chart's own, so persistence is written out), dandydeveloper redis-ha, valkey-io/valkey-helm.
"""

from __future__ import annotations

from collections.abc import Sequence

from checker.plan.subject import Wish, directives
from checker.report.planned import Snippet
from checker.units import format_quantity


def snippets(wish: Wish, maxmemory: int, limit: int, rate: float | None) -> tuple[Snippet, ...]:
    """For the engine that was asked for; charts only where they run it as it was asked for."""
    lines, size = directives(wish, maxmemory), format_quantity(limit)
    engine = wish.engine.name
    if not wish.engine.forks:
        return (_container(size, None),)
    found = [Snippet(f"{engine}.conf", "conf", "\n".join(lines) + "\n"), _container(size, rate)]
    if engine == "redis":
        found.append(_bitnami("redis", "master", wish, lines, size))
        if wish.replicas:  # that chart always has some
            found.append(_redis_ha(wish, lines, size))
    if engine == "valkey":
        found += [_bitnami("valkey", "primary", wish, lines, size), _valkey_helm(wish, lines, size)]
    return tuple(found)


def _resources(size: str, indent: str = "") -> str:
    lines = ("resources:", "  requests:", f"    memory: {size}", "  limits:", f"    memory: {size}")
    return _block(lines, indent)


def _block(lines: Sequence[str], indent: str = "  ") -> str:
    return "\n".join(f"{indent}{line}" for line in lines)


def _container(size: str, rate: float | None) -> Snippet:
    text = _resources(size) + "\n"
    if rate is not None:
        told = "# an annotation of the pod template lets bgsafe lint count on it:"
        text = f'{told}\n#   bgsafe.io/write-rate: "{rate:.0f}"\n{text}'
    return Snippet("container (Kubernetes)", "yaml", text)


def _bitnami(chart: str, role: str, wish: Wish, lines: Sequence[str], size: str) -> Snippet:
    """One pod, or as many replicas of the same size as the plan counts."""
    parts = [f"commonConfiguration: |-\n{_block(lines)}", f"{role}:\n{_resources(size, '  ')}"]
    if wish.replicas:
        parts.append(f"replica:\n  replicaCount: {wish.replicas}\n{_resources(size, '  ')}")
    architecture = "replication" if wish.replicas else "standalone"
    text = "\n".join([f"architecture: {architecture}", *parts]) + "\n"
    return Snippet(f"Helm values, bitnami/{chart}", "yaml", text)


def _redis_ha(wish: Wish, lines: Sequence[str], size: str) -> Snippet:
    pairs = [line.partition(" ") for line in lines]
    config = "\n".join(f"    {name}: {_quoted(value)}" for name, _, value in pairs)
    text = f"replicas: {wish.replicas + 1}\nredis:\n  config:\n{config}\n{_resources(size, '  ')}\n"
    return Snippet("Helm values, dandydeveloper/redis-ha", "yaml", text)


def _quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


def _valkey_helm(wish: Wish, lines: Sequence[str], size: str) -> Snippet:
    text = f"valkeyConfig: |\n{_block(lines)}\n{_resources(size)}\n"
    if wish.replicas:
        text += f"replica:\n  enabled: true\n  replicas: {wish.replicas}\n"
    return Snippet("Helm values, valkey-io/valkey-helm", "yaml", text)
