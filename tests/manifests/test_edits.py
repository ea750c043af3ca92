"""Edits as they are written: the shapes that tests/test_fix.py judges again, and what is refused."""

from __future__ import annotations

import pytest

from checker.facts import Unread
from checker.fix import edited_file
from checker.manifests import extract
from checker.manifests.documents import Text
from checker.manifests.edits import limit_edits, maxmemory_edits
from checker.units import MIB
from tests.manifests.making import workload


def limited(text: str, size: int = 512 * MIB) -> str | Unread:
    origin = Text("f.yaml", 1, text)
    edits = limit_edits(extract([origin]).places[0], size)
    return edits if isinstance(edits, Unread) else edited_file(text, edits) or ""


def bounded(text: str) -> list[str]:
    origin = Text("f.yaml", 1, text)
    extraction = extract([origin])
    server, place = extraction.servers[0], extraction.places[0]
    return [edited_file(text, edits) or "" for _, edits in maxmemory_edits(server, place, extraction.index, 100 * MIB)]


@pytest.mark.parametrize(
    ("resources", "after"),
    [
        ("{limits: {memory: 256Mi}}", "{limits: {memory: 512Mi}}"),
        (
            "{requests: {memory: 256Mi}, limits: {memory: 0.25Gi}}",
            "{requests: {memory: 512Mi}, limits: {memory: 512Mi}}",
        ),
        (
            "{requests: {memory: 128Mi}, limits: {memory: 256Mi}}",
            "{requests: {memory: 128Mi}, limits: {memory: 512Mi}}",
        ),
    ],
    ids=["limit", "an equal request, written otherwise", "a smaller request"],
)
def test_a_limit_is_raised(resources: str, after: str) -> None:
    text = workload(f"image: redis:7\nresources: {resources}\n")
    assert limited(text) == text.replace(resources, after)


@pytest.mark.parametrize("resources", ["{}", "{limits: {memory: 1Gi}}", "{limits: {memory: [1]}}"])
def test_a_limit_that_is_not_there_or_high_enough_is_not_raised(resources: str) -> None:
    assert isinstance(limited(workload(f"image: redis:7\nresources: {resources}\n")), Unread)


def test_items_follow_the_indentation_of_their_list() -> None:
    for indent in ("", "  "):
        text = workload(f"image: redis:7\nargs:\n{indent}- --port\n{indent}-   '6379'\n# next\nenv: []\n")
        assert (
            f"{indent}-   '6379'\n        {indent}-   '--maxmemory'\n        {indent}-   '100mb'\n        # next"
            in bounded(text)[0]
        )


def test_a_text_without_a_last_line_end_gets_none() -> None:
    text = workload("image: redis:7\nargs:\n- --port\n- '6379'\n").removesuffix("\n")
    assert bounded(text)[0].endswith("- '6379'\n        - '--maxmemory'\n        - '100mb'")


@pytest.mark.parametrize(
    "image",
    [
        "redis",
        "redis:7.2-alpine",
        "docker.io/library/redis:7@sha256:0",
        "registry:5000/redis:7",
        "docker.io/valkey/valkey",
    ],
)
def test_an_official_image_takes_options_as_arguments(image: str) -> None:
    assert any('args: ["--maxmemory", "100mb"]' in text for text in bounded(workload(f"image: {image}\n")))


def test_an_image_that_takes_its_arguments_otherwise_gets_none() -> None:
    for image in ("bitnami/redis:7.4", "quay.io/sclorg/redis-7-c9s", "me/redis:1"):
        assert not any("args" in text for text in bounded(workload(f"image: {image}\n")))
