"""Manifests for the tests, made from the few lines that matter."""

from __future__ import annotations

from textwrap import dedent, indent

from checker.facts import Server
from checker.manifests import Extraction, extract, split


def read(*texts: str) -> Extraction:
    """Extract from texts; the first is f0.yaml, the second f1.yaml."""
    return extract(
        part
        for number, text in enumerate(texts)
        for part in split(dedent(text).splitlines(keepends=True), f"f{number}.yaml")
    )


def workload(container: str, *, kind: str = "Deployment", pod: str = "", name: str = "w") -> str:
    """A workload with one container `c`; `pod` are further fields of the pod spec."""
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec:\n"
        + indent(dedent(pod).strip("\n"), " " * 6)
        + "\n      containers:\n      - name: c\n"
        + indent(dedent(container).strip("\n"), " " * 8)
        + "\n"
    )


def config_map(name: str, **data: str) -> str:
    """A ConfigMap; `redis_conf` stands for the key `redis.conf`."""
    keys = "".join(f"  {key.replace('_', '.')}: |\n{indent(dedent(text), ' ' * 4)}\n" for key, text in data.items())
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n{keys}"


def only(*texts: str) -> Server:
    """The one server of the texts."""
    (server,) = read(*texts).servers
    return server


def server(container: str, *, pod: str = "", more: str = "") -> Server:
    """The one server of a workload, with further documents."""
    return only(workload(container, pod=pod) + more)
