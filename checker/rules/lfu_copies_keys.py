"""Does the child write the LFU counter of every key that it saves?

Why: an RDB file holds how often each key was used, where maxmemory-policy is one of LFU. Valkey since 9.0 counts that
counter down when it is read, and writes it back into the object of the key: in the child, that copies the page. A
save copies all objects with no client writing. Source: src/object.c objectGetLFUFrequency(), src/lrulfu.c.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.model.child import child_writes_counters, copied_by_child_bytes
from checker.model.layouts import layout_of
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "lfu-copies-keys"


def check(evidence: Evidence) -> Finding | None:
    """Ask only of servers that write the counter when they read it."""
    server, numbers, policy = evidence.server, evidence.numbers, evidence.server.config.maxmemory_policy
    if evidence.forks is False or isinstance(numbers, Unread) or not layout_of(server.engine).decays_when_read:
        return None
    if isinstance(policy, Unread):
        remedy = "make maxmemory-policy readable, and choose an LRU policy"
        return Finding(ID, "unknown", f"{policy}: with an LFU policy this version's child copies all keys", remedy)
    workload = numbers.save.workload
    if not child_writes_counters(workload):
        return Finding(ID, "pass", f"maxmemory-policy is {policy}: the child writes to no key")
    copied = format_bytes(round(copied_by_child_bytes(workload)))
    return Finding(
        ID,
        "warn",
        f"maxmemory-policy {policy}: this version's child writes a counter in every key that it saves, and so copies "
        f"{copied} with no client writing",
        "set maxmemory-policy allkeys-lru (or volatile-lru)",
    )


RULE = Rule(ID, check)
