"""What was said of an object, for the next review of the same: docs/decisions/0018-remembered-opinions.md."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, TypeAlias

from cachetools import LRUCache

from checker.facts import Unread
from checker.policy import Policy
from checker.units import KIB
from webhook.review.opinion import Opinion
from webhook.review.surroundings import Seen, Surroundings, still

MOST_REMEMBERED: Final = 256
LONGEST_REMEMBERED: Final = 32 * KIB
"""Opinions, and characters of an object: together some 20 MB at most."""

Key: TypeAlias = tuple[str, Policy]
"""The object as JSON, and the policy by which it is judged."""


@dataclass(frozen=True, slots=True)
class Said:
    """An opinion, what the judgement read of the cluster, and what of that it did not get."""

    opinion: Opinion
    seen: tuple[Seen, ...] = ()
    unread: tuple[Unread, ...] = ()


class Memory:
    """Opinions of one process. Its threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: LRUCache[Key, Said] = LRUCache(MOST_REMEMBERED)

    def __len__(self) -> int:
        return len(self._held)

    def recall(self, key: Key, around: Surroundings) -> Said | None:
        """What was said, if the cluster would still give the answers that it rests on."""
        with self._lock:
            said = self._held.get(key)
        return said if said is not None and still(said.seen, around) else None

    def keep(self, key: Key, said: Said) -> None:
        """Remember, unless the object is long."""
        if len(key[0]) <= LONGEST_REMEMBERED:
            with self._lock:
                self._held[key] = said
