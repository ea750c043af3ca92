"""The arguments of a container's process, from the specification that its runtime keeps on the host.

A server in a container that wrote its title over its arguments (checker.probes.started) still has them there:
`process.args` of the OCI runtime specification, config.json. It is found through the root of the host's pid 1, so it
takes the host's /proc and the right to look into it; from inside a container there is nothing to see. The file also
holds the environment, and so secrets: nothing but the arguments is kept of it.

Source: https://github.com/opencontainers/runtime-spec/blob/main/config.md#process
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from checker.facts import Maybe, Unread
from checker.probes.inside import Inside

PLACES = (
    "/run/containerd/io.containerd.runtime.v2.task/k8s.io/{}/config.json",
    "/run/containerd/io.containerd.runtime.v2.task/moby/{}/config.json",  # Docker
    "/run/containerd/io.containerd.runtime.v2.task/default/{}/config.json",
    "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/{}/config.json",
    "/run/containers/storage/overlay-containers/{}/userdata/config.json",  # CRI-O, podman
    "/var/lib/containers/storage/overlay-containers/{}/userdata/config.json",
)
"""Where containerd, Docker, k3s, CRI-O and podman put it, by container id."""


def parse_args(text: str, where: str) -> Maybe[tuple[str, ...]]:
    """Return `process.args` of a config.json."""
    try:
        specification = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Unread(where, f"not JSON: {error}")
    process = specification.get("process") if isinstance(specification, dict) else None
    args = process.get("args") if isinstance(process, dict) else None
    if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
        return Unread(where, "no process.args in it")
    return tuple(args)


def read_args(host: Inside, container_id: str) -> Maybe[tuple[str, ...]]:
    """Look in all places; the last reason where it is in none."""
    answer: Maybe[tuple[str, ...]] = Unread(container_id, "no place to look in")
    for place in PLACES:
        path = place.format(container_id)
        text = host.read_text(path)
        answer = text if isinstance(text, Unread) else parse_args(text, path)
        if not isinstance(answer, Unread):
            break
    return answer


def size(arguments: Sequence[str]) -> int:
    """Bytes that arguments take in a process, with the NUL behind each."""
    return sum(len(argument.encode("utf-8", "surrogateescape")) + 1 for argument in arguments)


def behind_program(args: Sequence[str], room: int) -> tuple[str, ...] | None:
    """Return the last arguments that fill the room exactly: what an entry point passed on to the server.

    In front of them stand the entry point's own (`docker-entrypoint.sh`, perhaps `redis-server`). No more than one
    number of arguments can fit, and where a script changed them none does.
    """
    for start in range(len(args) + 1):
        if size(args[start:]) == room:
            return tuple(args[start:])
    return None
