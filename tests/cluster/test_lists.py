"""Lists over the API's wire format: pages, errors that pass, errors that do not, and tokens that expire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checker.cluster import api
from checker.cluster.api import BusyError, ClusterError, ForbiddenError, connect
from checker.cluster.lists import LONGEST_PAUSE_SECONDS, MOST_RESTARTS, MOST_TRIES, Lists, Resource
from tests.cluster.objects import stored
from tests.cluster.serving import Answer, Fault, Served, serving
from tests.webhook.clusters import kubeconfig

PODS = Resource("Pod", "pods", page_objects=2)
SETS = Resource("StatefulSet", "statefulsets", "apps", page_objects=2)

FIVE = [stored("Pod", f"pod-{number}") for number in range(5)]


class World:
    """A cluster behind HTTP; pauses are written down."""

    def __init__(self, folder: Path, fault: Fault | None = None) -> None:
        self.served = Served().add(*FIVE)
        if fault is not None:
            self.served.fault = fault
        self.folder, self.pauses = folder, list[float]()

    def names(self, of: Resource = PODS, namespace: str | None = None, **options: str) -> list[str]:
        with serving(self.served) as url:
            lists = Lists(connect(kubeconfig(self.folder, url)), self.pauses.append)
            return [each["metadata"]["name"] for page in lists.pages(of, namespace, **options) for each in page]


def first(times: int, answer: Answer) -> Fault:
    """The first so many pages are refused."""
    left = [times]

    def fault(path: str, _query: dict[str, str]) -> Answer | None:
        left[0] -= path.endswith("pods")
        return answer if left[0] >= 0 else None

    return fault


def test_a_list_comes_in_pages_and_each_object_has_its_kind(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.names() == [f"pod-{number}" for number in range(5)]
    assert [query.get("continue") for _, query in world.served.asked] == [None, "2", "4"]
    with serving(world.served) as url:
        lists = Lists(connect(kubeconfig(tmp_path, url)))
        page = next(iter(lists.pages(PODS, "shop")))
        assert {(each["apiVersion"], each["kind"]) for each in page} == {("v1", "Pod")}


@pytest.mark.parametrize(
    ("of", "namespace", "path"),
    [
        pytest.param(PODS, None, "/api/v1/pods", id="core"),
        pytest.param(PODS, "shop", "/api/v1/namespaces/shop/pods", id="core in a namespace"),
        pytest.param(SETS, None, "/apis/apps/v1/statefulsets", id="group"),
        pytest.param(SETS, "shop", "/apis/apps/v1/namespaces/shop/statefulsets", id="group in a namespace"),
    ],
)
def test_lists_are_where_the_api_has_them(of: Resource, namespace: str | None, path: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.names(of, namespace, labels="app=cache", fields="status.phase!=Failed")
    asked = {"limit": "2", "labelSelector": "app=cache", "fieldSelector": "status.phase!=Failed"}
    assert world.served.asked == [(path, asked)]


@pytest.mark.parametrize(
    ("answer", "pauses"),
    [
        pytest.param(Answer(429, headers={"Retry-After": "7"}), [7.0, 7.0], id="as long as it says"),
        pytest.param(Answer(429, headers={"Retry-After": "3600"}), [LONGEST_PAUSE_SECONDS] * 2, id="but not for ever"),
        pytest.param(Answer(503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), [1.0, 2.0], id="a date"),
        pytest.param(Answer(500), [1.0, 2.0], id="it does not say"),
    ],
)
def test_what_may_pass_is_waited_for(answer: Answer, pauses: list[float], tmp_path: Path) -> None:
    world = World(tmp_path, first(2, answer))
    assert (len(world.names()), world.pauses) == (5, pauses)


def test_what_does_not_pass_is_given_up(tmp_path: Path) -> None:
    world = World(tmp_path, first(99, Answer(429)))
    with pytest.raises(BusyError, match="list pods: HTTP 429"):
        world.names()
    assert len(world.served.asked) == MOST_TRIES


def test_once_all_tries_were_in_vain_each_list_is_tried_once(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _path, _query: Answer(503))
    with serving(world.served) as url:
        lists = Lists(connect(kubeconfig(tmp_path, url)), world.pauses.append)
        for of in (PODS, SETS, PODS):
            with pytest.raises(BusyError):
                list(lists.pages(of, None))
    assert len(world.served.asked) == MOST_TRIES + 2


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        pytest.param(403, ForbiddenError, "HTTP 403 Refused; give the service account", id="forbidden"),
        pytest.param(401, ForbiddenError, "HTTP 401 Refused", id="unknown"),
        pytest.param(404, ClusterError, "the cluster has no such kind", id="no such kind"),
        pytest.param(400, ClusterError, "HTTP 400 Refused", id="bad selector"),
    ],
)
def test_what_is_refused_is_not_asked_again(
    status: int, error: type[ClusterError], message: str, tmp_path: Path
) -> None:
    world = World(tmp_path, first(99, Answer(status)))
    with pytest.raises(error, match=message):
        world.names()
    assert (len(world.served.asked), world.pauses) == (1, [])


def expiring(times: int, token: str | None) -> Fault:
    """The second page is refused so many times."""
    left = [times]

    def fault(_path: str, query: dict[str, str]) -> Answer | None:
        if query.get("continue") != "2" or left[0] == 0:
            return None
        left[0] -= 1
        return Answer(410, "Gone", token=token)

    return fault


def test_a_list_that_expires_goes_on_where_the_api_server_offers_it(tmp_path: Path) -> None:
    world = World(tmp_path, expiring(1, "3"))
    assert world.names() == ["pod-0", "pod-1", "pod-3", "pod-4"]


def test_and_else_begins_again(tmp_path: Path) -> None:
    world = World(tmp_path, expiring(1, None))
    assert world.names() == ["pod-0", "pod-1", *(f"pod-{number}" for number in range(5))]


def test_but_not_for_ever(tmp_path: Path) -> None:
    world = World(tmp_path, expiring(99, None))
    with pytest.raises(ClusterError, match=f"410 Gone, {MOST_RESTARTS + 1} times: it changes faster"):
        world.names()


def test_an_api_server_that_is_silent_is_waited_for_in_vain_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.cluster.lists.PAGE_TIMEOUT_SECONDS", (0.2, 0.2))
    world = World(tmp_path, lambda _path, _query: 30.0)
    with pytest.raises(BusyError, match=r"list pods: ReadTimeoutError: .*Read timed out"):
        world.names()


def test_an_answer_that_drips_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_ANSWER_SECONDS", -1.0)
    with pytest.raises(BusyError, match="the answer was not whole"):
        World(tmp_path).names()


def test_nobody_there_is_said_in_one_line(tmp_path: Path) -> None:
    with serving(Served()) as url:
        pass
    lists = Lists(connect(kubeconfig(tmp_path, url)), lambda _: None)
    with pytest.raises(BusyError) as error:
        list(lists.pages(PODS, None))
    assert "Connection refused" in str(error.value)
    assert "object at 0x" not in str(error.value)


def broken(page: Any) -> Callable[[str, dict[str, str]], Any]:
    return lambda _path, _query: page


@pytest.mark.parametrize("page", [[], "text", 1, None, {"items": 3}, {"items": [3, None]}], ids=repr)
def test_an_answer_of_another_form_is_an_error_or_nothing(
    page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    monkeypatch.setattr(world.served, "answer", broken(page))
    try:
        assert world.names() == []
    except ClusterError as error:
        assert str(error).startswith("list pods: ")


def test_kinds_of_operators_are_found_by_what_the_api_serves(tmp_path: Path) -> None:
    with serving(Served()) as url:
        lists = Lists(connect(kubeconfig(tmp_path, url)))
        assert ("databases.spotahome.com", "v1") in lists.groups()
        found = lists.resources("databases.spotahome.com", "v1")
    assert found == [Resource("RedisFailover", "redisfailovers", "databases.spotahome.com", "v1")]


def test_an_api_server_without_its_list_of_groups_is_an_error(tmp_path: Path) -> None:
    """Operators' resources that nobody can look for are not "none"."""
    world = World(tmp_path, first(1, Answer(404)))
    with serving(world.served) as url, pytest.raises(ClusterError, match="HTTP 404; operators' resources"):
        Lists(connect(kubeconfig(tmp_path, url))).groups()


@pytest.mark.parametrize("content", ["[]", "{", "\t:", "null", "{}", '{"clusters": 3}'], ids=repr)
def test_a_file_that_is_no_kubeconfig_is_said_to_be_none(content: str, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    with pytest.raises(ClusterError, match=f"^{file}: .*; name a kubeconfig and a context of it$"):
        connect(file)
