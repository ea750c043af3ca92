"""The programs that speak the Redis protocol: which are servers, and which of those fork to save.

Source: each engine's own documentation.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

FORKING: Final = frozenset({"redis", "valkey", "keydb"})
"""Servers whose BGSAVE, AOF rewrite and full sync fork. (KeyDB: `use-fork yes` is its default.)"""

NOT_FORKING: Final = frozenset({"dragonfly", "garnet", "kvrocks"})
"""Data servers that save without fork(): snapshots by their own threads, or storage on disk."""

DATA_SERVERS: Final = FORKING | NOT_FORKING

EXECUTABLES: Final = MappingProxyType(
    {
        "redis-server": "redis",
        "redis-stack-server": "redis",
        "valkey-server": "valkey",
        "keydb-server": "keydb",
        "keydb-pro-server": "keydb",
        "dragonfly": "dragonfly",
        "garnet-server": "garnet",
        "garnetserver": "garnet",
        "kvrocks": "kvrocks",
        "redis-sentinel": "sentinel",
        "valkey-sentinel": "sentinel",
        "keydb-sentinel": "sentinel",
        "redis-cli": "client",
        "valkey-cli": "client",
        "keydb-cli": "client",
        "redis-benchmark": "client",
        "valkey-benchmark": "client",
        "keydb-benchmark": "client",
        "redis_exporter": "exporter",
    }
)
"""Base name of a program, in lower case → what it is."""
