"""Containers that change the node's kernel settings for Redis: init containers with sysctl, mostly."""

from __future__ import annotations

import re

from checker.manifests.objects import sequence, text
from checker.manifests.pods import Container, Environment, expand_references

_OVERCOMMIT = (
    re.compile(r"\bvm[./]overcommit_memory\s*=\s*[\"']?([012])"),
    re.compile(r"echo\s+[\"']?([012])[\"']?\s*(?:>|\|\s*(?:sudo\s+)?tee)\s*\S*/vm/overcommit_memory"),
)
_THP = re.compile(
    r"echo\s+[\"']?(never|madvise|always)[\"']?\s*(?:>|\|\s*(?:sudo\s+)?tee)\s*\S*/transparent_hugepage/enabled"
)


def settings(container: Container, environment: Environment) -> tuple[str, ...]:
    """`vm.overcommit_memory=1` and `transparent_hugepage=never`, where the container's command sets them."""
    words = [*sequence(container.value.get("command")), *sequence(container.value.get("args"))]
    script = expand_references(" ".join(text(word) or "" for word in words), environment.values, complete=True)
    script = re.sub(r"(?m)^\s*#.*$", "", script)
    found = [f"vm.overcommit_memory={match[1]}" for pattern in _OVERCOMMIT if (match := pattern.search(script))]
    if match := _THP.search(script):
        found.append(f"transparent_hugepage={match[1]}")
    return tuple(found)
