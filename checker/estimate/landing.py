"""A server that may be put on any of several nodes: what each kernel would say, and what is worst among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final, Literal

from checker.facts import Candidate, Node, Unread
from checker.model.cow import copy_unit_bytes
from checker.model.overcommit import Fork
from checker.model.planned_fork import judge_planned_fork

MOST_NAMES: Final = 5
"""Nodes that one sentence names; of more it says how many."""

_KEPT: Final = ("page_size_bytes", "kernel_release", "thp_enabled", "thp_defrag")
"""What decides how much a write copies."""


def meeting_node(landing: Sequence[Candidate]) -> Node | None:
    """The page size, kernel and huge pages of that node where a write copies most, and of no node anything else.

    None where no agent told of any of them.
    """
    known = [candidate.node for candidate in landing if isinstance(candidate.node, Node)]
    if not known:
        return None
    worst = max(known, key=lambda node: copy_unit_bytes(node, None))
    open_ = Unread("the node", "is not chosen yet", "")
    unknown: dict[str, Any] = {field.name: open_ for field in fields(Node) if field.name not in _KEPT}
    return replace(worst, **unknown)


def forks_on(landing: Sequence[Candidate], resident: int) -> tuple[tuple[str, Fork], ...]:
    """(node, what its kernel would say) for those that agents have told of."""
    return tuple(
        (each.name, judge_planned_fork(each.node, resident)) for each in landing if isinstance(each.node, Node)
    )


def fork_on_any(forks: Sequence[tuple[str, Fork]], landing: Sequence[Candidate]) -> Fork:
    """One answer for all nodes: refused where each would, granted where each would, else unknown.

    Of a server that runs on them already, one refusal is one.
    """
    everywhere, runs = len(landing), bool(landing) and all(each.runs for each in landing)
    by: dict[str, list[tuple[str, Fork]]] = {"refused": [], "unknown": [], "granted": []}
    for name, fork in forks:
        by[fork.outcome].append((name, fork))
    outcome: Literal["granted", "refused", "unknown"] = "unknown"
    if len(by["refused"]) == everywhere or (runs and by["refused"]):
        outcome = "refused"
    elif len(by["granted"]) == everywhere:
        outcome = "granted"
    modes = {fork.overcommit_memory for _, fork in forks}
    return Fork(
        outcome=outcome,
        overcommit_memory=modes.pop() if len(modes) == 1 and len(forks) == everywhere else None,
        charge_bytes=None,
        allowed_bytes=None,
        reason=_words(by, everywhere, len(forks), "" if runs else "eligible "),
    )


def _words(by: dict[str, list[tuple[str, Fork]]], everywhere: int, known: int, eligible: str) -> str:
    parts = []
    nodes = f"{everywhere} {eligible}node{'' if everywhere == 1 else 's'}"
    for outcome, would in (("refused", "would refuse"), ("unknown", "may refuse")):
        if found := by[outcome]:
            parts.append(f"{len(found)} of {nodes} {would} the fork ({_reasons(found)})")
    if by["granted"] and not parts:
        where = "all" if len(by["granted"]) == everywhere else f"{len(by['granted'])} of"
        parts.append(f"{where} {nodes} would grant the fork")
    if missing := everywhere - known:
        parts.append(f"of {missing} no agent has told")
    return "; ".join(parts)


def _reasons(found: Sequence[tuple[str, Fork]]) -> str:
    """`vm.overcommit_memory=2: node-3, node-5`; the rest of a reason only where one node is meant."""
    if len(found) == 1:
        name, fork = found[0]
        return f"{name}: {fork.reason}"
    names: dict[str, list[str]] = {}
    for name, fork in found:
        mode = fork.overcommit_memory
        names.setdefault("" if mode is None else f"vm.overcommit_memory={mode}: ", []).append(name)
    return "; ".join(f"{mode}{_listed(those)}" for mode, those in names.items())


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
