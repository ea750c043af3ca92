from __future__ import annotations

import pytest

from checker.manifests.declarations import concerns, declared, read
from checker.units import GIB, MIB


def test_annotations_are_read_and_the_templates_go_first() -> None:
    document = {"metadata": {"annotations": {"bgsafe.io/write-rate": "10", "bgsafe.io/dataset": "1Gi", "other": "x"}}}
    template = {"metadata": {"annotations": {"bgsafe.io/write-rate": "500/s"}}}
    said = declared(read(document, template), "Deployment w")
    assert (said.write_rate_per_second, said.dataset, said.maxmemory) == (500.0, GIB, None)
    assert said.wrong == ()


def test_every_value_has_its_unit() -> None:
    said = declared({"save-throughput": "80MB/s", "maxmemory": "512mb", "ignore.limit-unset": "a cache"}, "w")
    assert (said.save_throughput_per_second, said.maxmemory) == (80 * MIB, 512 * MIB)
    assert said.ignores == {"limit-unset": "a cache"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("write-rate", "many"),
        ("write-rate", "-1"),
        ("write-rate", "nan"),
        ("save-throughput", "0"),
        ("dataset", "2Gix"),
        ("ignore.x", " "),
        ("foo", "1"),
    ],
)
def test_a_wrong_value_is_reported_with_its_place(key: str, value: str) -> None:
    (wrong,) = declared({key: value}, "Deployment w").wrong
    assert wrong.where == f"Deployment w annotation bgsafe.io/{key}"
    assert wrong.why
    assert wrong.remedy


def test_annotations_may_speak_of_one_container() -> None:
    assert concerns({}, "a")
    assert concerns({"container": "a"}, "a")
    assert not concerns({"container": "a"}, "b")


def test_annotations_of_a_wrong_type_are_none() -> None:
    assert read({"metadata": {"annotations": [1]}}, {"metadata": 3}) == {}
