"""Who made whom: each server once, by the object that somebody can edit, with all that is said of it.

Why a StatefulSet goes before the operator's resource that made it: docs/decisions/0017-made-objects-first.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from checker.facts import Config, Limit, Server, Sourced, Unread
from checker.manifests import Other, with_neighbours
from checker.manifests.servers import is_default
from checker.survey.sightings import Key, Sighting


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod that may have a server in it."""

    namespace: str
    name: str
    uid: str
    node: str  # "": it is on none yet
    controller: Key | None
    template_hash: str  # ends the name of a Deployment's ReplicaSet; "": the pod has none


@dataclass(slots=True)
class Seen:
    """What lists brought to light; an object that came twice is here once."""

    sightings: dict[Key, Sighting] = field(default_factory=dict)  # workloads, and operators' resources
    pods: dict[Key, PodSeen] = field(default_factory=dict)
    samples: dict[Key, Sighting] = field(default_factory=dict)  # one pod of each controller; a pod without one: its own

    def add(self, other: Seen) -> None:
        """What another list brought."""
        self.sightings |= other.sightings
        self.pods |= other.pods
        self.samples |= other.samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A server, the pods that run it, and who starts it."""

    server: Server
    pods: tuple[PodSeen, ...]
    by: Sighting


def resolve(seen: Seen, operated: Iterable[Key]) -> tuple[list[Found], int]:
    """(each server once, how many other programs of the Redis world are beside them).

    `operated` are operators' resources: where what was made of one is there, it is judged, completed by what the
    resource says.
    """
    resources = {key: seen.sightings[key] for key in operated if key in seen.sightings}
    pods, strangers = _of_controllers(seen, resources)
    running = [_as_running(sighting, pods, seen) for key, sighting in seen.sightings.items() if key not in resources]
    made = [*running, *strangers.values()]
    obeyed = {by for sighting in made if (by := sighting.controller) in resources and sighting.servers}
    chosen = [_completed(each, resources[each.controller]) if each.controller in obeyed else each for each in made]
    chosen += [sighting for key, sighting in resources.items() if key not in obeyed]
    found = []
    servers = [(sighting, server) for sighting in chosen for server in sighting.servers]
    scoped = [_scoped(server, sighting) for sighting, server in servers]
    others = [_other_scoped(other, sighting) for sighting in chosen for other in sighting.others]
    for (sighting, _), server in zip(servers, with_neighbours(scoped, others), strict=True):
        plain = replace(server, subject=replace(server.subject, file=None))
        found.append(Found(server=plain, pods=pods.get(sighting.key, ()), by=sighting))
    return found, sum(other.what not in ("other", "none") for other in others)


def _of_controllers(
    seen: Seen, resources: Mapping[Key, Sighting]
) -> tuple[dict[Key, tuple[PodSeen, ...]], dict[Key, Sighting]]:
    """(object → its pods, what is known only by its pods: bare ones, and those whose maker says no more than it)."""
    pods: dict[Key, list[PodSeen]] = {}
    strangers: dict[Key, Sighting] = {}
    for key, pod in seen.pods.items():
        by = _maker(pod, seen.sightings) or key
        pods.setdefault(by, []).append(pod)
        sample = seen.samples.get(pod.controller or key)
        known = by in seen.sightings and by not in resources
        if not known and by not in strangers and sample is not None:
            strangers[by] = _named(sample, by)
    return {key: tuple(those) for key, those in pods.items()}, strangers


def _maker(pod: PodSeen, sightings: Mapping[Key, Sighting]) -> Key | None:
    """A pod's Deployment or CronJob, where its ReplicaSet or Job is one's; else its controller."""
    by = pod.controller
    if by is not None and by.kind == "Job":
        cron_job = Key("CronJob", by.namespace, by.name.rpartition("-")[0])  # which adds the time, in minutes
        return cron_job if cron_job in sightings else by
    if by is None or by.kind != "ReplicaSet" or not pod.template_hash:
        return by
    deployment = Key("Deployment", by.namespace, by.name.removesuffix(f"-{pod.template_hash}"))
    return deployment if deployment in sightings else by


def _as_running(sighting: Sighting, pods: Mapping[Key, Sequence[PodSeen]], seen: Seen) -> Sighting:
    """With the limits that hold in its pods, where they are not those of the template (a LimitRange, a resize)."""
    those = pods.get(sighting.key, ())
    sample = seen.samples.get(those[0].controller) if those and those[0].controller else None
    if sample is None:
        return sighting
    limits = {server.subject.container: server.limit.value for server in sample.servers}
    servers = tuple(
        _limited(server, limits.get(server.subject.container), f"resources.limits.memory of pod {sample.key.name}")
        for server in sighting.servers
    )
    return replace(sighting, servers=servers)


def _limited(server: Server, running: Limit | None, source: str) -> Server:
    """The smaller of the template's limit and that of a running pod."""
    written = server.limit.value
    if running is None or isinstance(running, Unread):
        return server
    if isinstance(written, Unread):
        return replace(server, limit=Sourced(running, source if isinstance(running, int) else f"no {source}"))
    if isinstance(running, int) and (not isinstance(written, int) or running < written):
        return replace(server, limit=Sourced(running, source))
    return server


def _named(sample: Sighting, key: Key) -> Sighting:
    """A pod's servers under the name of who made it."""
    servers = tuple(
        replace(server, subject=replace(server.subject, kind=key.kind, name=key.name)) for server in sample.servers
    )
    return replace(sample, key=key, servers=servers)


def _completed(made: Sighting, resource: Sighting) -> Sighting:
    """What was made, with the settings that only the operator's resource says: some are made at run time."""
    said = {server.engine.name: server for server in resource.servers}
    servers = tuple(
        replace(server, config=completed(server.config, said[server.engine.name].config))
        if server.engine.name in said
        else server
        for server in made.servers
    )
    return replace(made, servers=servers)


def completed(made: Config, said: Config) -> Config:
    """The configuration of what was made; what it leaves to a default, or hides, as the resource says it."""
    changes: dict[str, Any] = {}
    sources = dict(made.sources)
    for name, source in said.sources.items():
        open_ = isinstance(getattr(made, name, None), Unread) or is_default(made.sources.get(name))
        if not is_default(source) and open_ and hasattr(made, name):
            changes[name], sources[name] = getattr(said, name), source
    if isinstance(said.replicaof, Unread) and is_default(made.sources.get("replicaof")):
        changes["replicaof"] = said.replicaof
    return replace(made, **changes, sources=sources)


def _scoped(server: Server, sighting: Sighting) -> Server:
    return replace(server, subject=replace(server.subject, file=sighting.instance))


def _other_scoped(other: Other, sighting: Sighting) -> Other:
    return replace(other, subject=replace(other.subject, file=sighting.instance))
