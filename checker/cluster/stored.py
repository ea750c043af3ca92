"""ConfigMaps and LimitRanges that workloads name, asked for when they are named, and kept for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from checker.cluster.api import ClusterError
from checker.cluster.objects import Objects
from checker.facts import Maybe, Unread
from checker.manifests import Document, parsed

KEPT: Final = 256
"""Objects of each kind: replicas of one chart ask for the same again and again."""


class Stored:
    """An `Elsewhere` of the extraction. Nothing raises: what could not be read is told, once."""

    def __init__(self, objects: Objects, failed: Callable[[Unread], None]) -> None:
        self._objects, self._failed = objects, failed
        self._config_map = lru_cache(KEPT)(self._read_config_map)
        self._limit_ranges = lru_cache(KEPT)(self._read_limit_ranges)

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        """See `Elsewhere`."""
        return self._config_map(namespace, name)

    def limit_ranges(self, namespace: str) -> Sequence[Document]:
        """See `Elsewhere`."""
        return self._limit_ranges(namespace)

    def _read_config_map(self, namespace: str, name: str) -> Maybe[Document]:
        where = f"ConfigMap {namespace}/{name}"
        try:
            found = self._objects.config_map(namespace, name)
        except ClusterError as error:
            return Unread(where, str(error), "allow `get` of ConfigMaps")
        if found is None:
            return Unread(where, "is not there", "create it, or name another")
        return _document(found)

    def _read_limit_ranges(self, namespace: str) -> Sequence[Document]:
        try:
            return [_document(found) for found in self._objects.limit_ranges(namespace)]
        except ClusterError as error:
            self._failed(Unread(f"LimitRanges of {namespace}", str(error), "allow `list` of LimitRanges"))
            return ()


def _document(found: Mapping[str, Any]) -> Document:
    return parsed(found, "the cluster")
