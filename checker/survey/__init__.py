"""`bgsafe cluster`: what a cluster runs → a report. The API server is asked through what is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from checker.cluster.api import ClusterError
from checker.cluster.listing import TEMPLATES
from checker.facts import Candidate, Maybe, Node, Server, Unread
from checker.manifests import Document, Extraction, Index, extract, parsed
from checker.manifests.objects import Elsewhere, text
from checker.policy import Assumptions, Policy
from checker.report.results import Report
from checker.rules import judge
from checker.survey.observed import Observed, with_observed
from checker.survey.owners import Owner, controller_of, identity, instance_of, judged_as
from checker.verdict import Verdict

WORST_FIRST: Final = ("unsafe", "unknown", "risky", "safe")

KEPT: Final = ("apiVersion", "kind", "metadata", "spec")
"""Of an object: its status says nothing of what it starts, and its managedFields are often the larger half."""


class Lists(Protocol):
    """What there is in the cluster; raises ClusterError."""

    def objects(self, kind: str, namespace: str | None, selector: str | None = None) -> Iterator[Mapping[str, Any]]:
        """All objects of a kind."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: () is all namespaces."""

    namespaces: tuple[str, ...] = ()
    selector: str | None = None


@dataclass(slots=True)
class _Running:
    """The pods of what is judged: their names, for what agents measured, and their nodes."""

    pods: set[tuple[str, str]] = field(default_factory=set)  # (namespace, name), and ("", UID)
    nodes: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Surveyor:
    """One pass through a cluster."""

    lists: Lists
    elsewhere: Elsewhere
    scope: Scope
    policy: Policy
    progress: Callable[[str], None] = lambda _said: None
    problems: list[Unread] = field(default_factory=list)
    _listed: set[str] = field(default_factory=set)  # kinds that could be listed
    _running: dict[Owner, _Running] = field(default_factory=dict)

    def survey(
        self, facts: Mapping[str, Maybe[Node]], observed: Mapping[tuple[str, str], Observed], assumptions: Assumptions
    ) -> Report:
        """Judge every Redis-like server, the worst first. `facts`: what agents publish of nodes, by their names;
        `observed`: what they measured, by namespace and pod."""
        extractions = [extract(self._templates(), self.policy.engines, Index(elsewhere=self.elsewhere))]
        for one in extractions[0].servers:
            self._running.setdefault(_owner(one), _Running())
        # The API server has put the namespace's defaults into pods already.
        pods = _WithoutLimitRanges(self.elsewhere)
        extractions.append(extract(self._pods(), self.policy.engines, Index(elsewhere=pods)))
        servers = [one for each in extractions for one in each.servers]
        judged = [
            self._judge(one, facts, observed, assumptions)
            for one in servers
            if self.policy.exemption(one.subject.namespace, one.subject.name) is None
        ]
        judged.sort(key=lambda each: (WORST_FIRST.index(each.grade), *_place(each.server)))
        return Report(
            node=None,
            verdicts=tuple(judged),
            not_redis=_others(extractions),
            problems=(*self.problems, *(problem for each in extractions for problem in each.problems)),
            exempt=len(servers) - len(judged),
        )

    def _judge(
        self,
        server: Server,
        facts: Mapping[str, Maybe[Node]],
        observed: Mapping[tuple[str, str], Observed],
        assumptions: Assumptions,
    ) -> Verdict:
        running = self._running.get(_owner(server), _Running())
        measured = [observed[pod] for pod in sorted(running.pods) if pod in observed]
        landing = tuple(Candidate(name, facts[name]) for name in sorted(running.nodes) if name in facts)
        subject = replace(server.subject, source="cluster", file=None, line=None)
        server = replace(with_observed(server, measured), subject=subject, lines={})
        return judge(server, None, assumptions, self.policy, landing=landing)

    # --- what is gone through ----------------------------------------------------------------------------------------

    def _templates(self) -> Iterator[Document]:
        """What holds a pod template, and is not itself made by another of them."""
        for kind in TEMPLATES:
            for value in self._objects(kind):
                if judged_as(value, TEMPLATES) is None:
                    yield _document(value)

    def _pods(self) -> Iterator[Document]:
        """Pods that nobody made whom we could look into; of those that a stranger made, one."""
        seen: set[Owner] = set()
        for value in self._objects("Pod"):
            whom = judged_as(value, self._listed)
            if whom is None:
                whom = controller_of(value) or identity(value)
                if whom not in seen:
                    seen.add(whom)
                    yield _document(_as_of(value, whom))
                self._note(whom, value, known=False)
            else:
                self._note(whom, value, known=True)

    def _note(self, whom: Owner, value: Mapping[str, Any], *, known: bool) -> None:
        """Remember the pod of a server, and not those of all else that runs here."""
        if known and whom not in self._running:
            return
        running = self._running.setdefault(whom, _Running())
        metadata, spec = value.get("metadata") or {}, value.get("spec") or {}
        running.pods.add((text(metadata.get("namespace")) or "", text(metadata.get("name")) or ""))
        if uid := text(metadata.get("uid")):
            running.pods.add(("", uid))
        if node := text(spec.get("nodeName")):
            running.nodes.add(node)

    def _objects(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """All objects of a kind; what is refused or fails is a problem, and hides nothing else."""
        count = 0
        complete = True
        for namespace in self.scope.namespaces or (None,):
            try:
                for value in self.lists.objects(kind, namespace, self.scope.selector):
                    count += 1
                    if count % 250 == 0:
                        self.progress(f"{count} {kind}s")
                    yield value
            except ClusterError as error:
                complete = False
                self.problems.append(Unread(f"{kind}s", str(error), "allow `list`, or name namespaces: --namespace"))
        if complete:
            self._listed.add(kind)


@dataclass(frozen=True, slots=True)
class _WithoutLimitRanges:
    """The same place, where LimitRanges have had their say already."""

    stored: Elsewhere

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        """See `Elsewhere`."""
        return self.stored.config_map(namespace, name)

    def limit_ranges(self, namespace: str) -> Sequence[Document]:  # noqa: ARG002
        """See `Elsewhere`."""
        return ()


def _document(value: Mapping[str, Any]) -> Document:
    kept = {key: value[key] for key in KEPT if key in value}
    metadata = dict(kept.get("metadata") or {})
    metadata.pop("managedFields", None)
    return parsed({**kept, "metadata": metadata}, instance_of(value))


def _as_of(pod: Mapping[str, Any], whom: Owner) -> Mapping[str, Any]:
    """A pod in the form and under the name of what made it: its own name would be another tomorrow."""
    if whom.kind == "Pod":
        return pod
    metadata = pod.get("metadata") or {}
    template = {"metadata": metadata, "spec": pod.get("spec")}
    named = {**metadata, "name": whom.name, "ownerReferences": None, "annotations": None}
    return {"kind": whom.kind, "metadata": named, "spec": {"template": template}}


def _owner(server: Server) -> Owner:
    return Owner(server.subject.namespace, server.subject.kind or "", server.subject.name)


def _place(server: Server) -> tuple[str, str, str, str]:
    subject = server.subject
    return subject.namespace or "", subject.kind or "", subject.name, subject.container or ""


def _others(extractions: Iterable[Extraction]) -> int:
    return sum(each.not_servers for each in extractions)
