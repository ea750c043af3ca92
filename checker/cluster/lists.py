"""Long lists of a cluster's objects: in pages, as JSON, patiently, and with few connections.

A page that is late is asked for again; a list whose rest has expired goes on, or begins again. So an object may come
twice: whoever counts, counts names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from checker.cluster.api import BusyError, ClusterError, ExpiredError, Timeout, call
from checker.cluster.objects import Object
from checker.manifests.objects import at, sequence, text

T = TypeVar("T")

PAGE_OBJECTS: Final = 250
"""Of one request: a judgement. A Pod is some 10 KB, so that a page is a few MB; kubectl asks for 500."""

PAGE_TIMEOUT_SECONDS: Final[Timeout] = (5.0, 30.0)
"""To connect, and to wait for a page: an API server that reads one from etcd takes longer than for one object."""

MOST_TRIES: Final = 4
"""Of one page."""

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
"""Between tries: twice as long each time, or as long as the API server says, up to this."""

MOST_RESTARTS: Final = 3
"""Of one list; what expires more often is never read to its end."""

MOST_PAGES: Final = 4_000
"""Of one list: a million objects. A list that never ends must not keep us."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects, and where the API server has them."""

    kind: str
    plural: str
    group: str = ""  # "": the core group
    version: str = "v1"
    page_objects: int = PAGE_OBJECTS

    @property
    def api_version(self) -> str:
        """As objects write it."""
        return f"{self.group}/{self.version}" if self.group else self.version


class Lists:
    """Lists of one cluster. Threads may share it: the client keeps a connection for each."""

    def __init__(self, api_client: Any, pause: Callable[[float], None] = time.sleep) -> None:
        from kubernetes import client

        self._core = client.CoreV1Api(api_client)
        self._custom = client.CustomObjectsApi(api_client)
        self._groups = client.ApisApi(api_client)
        self._pause = pause
        self._in_vain = False  # a cluster that is down must not be waited for list by list

    def pages(
        self, of: Resource, namespace: str | None, *, labels: str | None = None, fields: str | None = None
    ) -> Iterator[list[Object]]:
        """The objects of a namespace, or of all; each with its kind, which lists leave out. Raises ClusterError."""
        what = f"list {of.plural}{f'.{of.group}' if of.group else ''}" + (f" of {namespace}" if namespace else "")
        selectors = {"label_selector": labels, "field_selector": fields}
        chosen = {name: text for name, text in selectors.items() if text}
        token: str | None = None
        restarts = 0
        for _ in range(MOST_PAGES):
            more = {"_continue": token} if token else {}
            try:
                page = self._page(what, of, namespace, limit=of.page_objects, **chosen, **more)
            except ExpiredError as error:
                restarts += 1
                if restarts > MOST_RESTARTS:
                    raise ClusterError(f"{error}, {restarts} times: it changes faster than it can be read") from error
                token = error.token
                continue
            token = text(at(page, "metadata", "continue"))
            items: list[Object] = [
                {"apiVersion": of.api_version, "kind": of.kind, **item}
                for item in sequence(page.get("items"))
                if isinstance(item, dict)
            ]
            del page  # not to be held while the next one comes
            yield items
            if not token:
                return
        raise ClusterError(f"{what}: more than {MOST_PAGES} pages")

    def groups(self) -> list[tuple[str, str]]:
        """(group, preferred version) of what is served beside the core group."""
        found = self.patiently(lambda: call("list API groups", self._groups.get_api_versions))
        if found is None:  # every API server has this list: what answers is none, or something before it keeps it back
            raise ClusterError("list API groups: HTTP 404; operators' resources are not looked for")
        named = [
            (text(at(each, "name")), text(at(each, "preferredVersion", "version")))
            for each in sequence(found.get("groups"))
        ]
        return [(name, version) for name, version in named if name and version]

    def resources(self, group: str, version: str) -> list[Resource]:
        """What a group has that can be listed in namespaces."""
        what = f"list resources of {group}/{version}"
        found = self.patiently(lambda: call(what, self._custom.get_api_resources, group, version)) or {}
        return [
            Resource(text(at(each, "kind")) or "", text(at(each, "name")) or "", group, version)
            for each in sequence(found.get("resources"))
            if at(each, "namespaced") is True and "list" in sequence(at(each, "verbs"))
        ]

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask, and ask again later where that may help; once where all tries were in vain before."""
        wait = FIRST_PAUSE_SECONDS
        for _ in range(0 if self._in_vain else MOST_TRIES - 1):
            try:
                return ask()
            except BusyError as error:
                self._pause(min(wait if error.seconds is None else error.seconds, LONGEST_PAUSE_SECONDS))
                wait *= 2
        try:
            return ask()
        except BusyError:
            self._in_vain = True
            raise

    def _page(self, what: str, of: Resource, namespace: str | None, **options: Any) -> Object:
        function, arguments = self._function(of, namespace)

        def ask() -> Object:
            page = call(what, function, *arguments, timeout=PAGE_TIMEOUT_SECONDS, **options)
            if page is None:
                raise ClusterError(f"{what}: HTTP 404: the cluster has no such kind")
            return page

        return self.patiently(ask)

    def _function(self, of: Resource, namespace: str | None) -> tuple[Callable[..., Any], tuple[str, ...]]:
        if of.group and namespace:
            return self._custom.list_namespaced_custom_object, (of.group, of.version, namespace, of.plural)
        if of.group:
            return self._custom.list_cluster_custom_object, (of.group, of.version, of.plural)
        all_of, within = _CORE[of.plural]
        return (getattr(self._core, within), (namespace,)) if namespace else (getattr(self._core, all_of), ())


_CORE: Final = {
    "configmaps": ("list_config_map_for_all_namespaces", "list_namespaced_config_map"),
    "limitranges": ("list_limit_range_for_all_namespaces", "list_namespaced_limit_range"),
    "nodes": ("list_node", "list_node"),
    "pods": ("list_pod_for_all_namespaces", "list_namespaced_pod"),
}
"""Functions of the client for what is in the core group, which its generic ones do not reach."""
