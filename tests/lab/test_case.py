import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.lab.case import Case, CaseError, append_jsonl, parse_case, read_jsonl
from checker.policy import Distribution

LINE = {
    "engine": "redis-7.0.15-jemalloc",
    "keys": 667182,
    "key_bytes": 10,
    "value_bytes": 20,
    "command": "SET (overwrite, same size)",
    "distribution": "hot1",
    "write_rate_per_second": 500,
    "save_seconds": 0.52,
    "writes_during_save": 265,
    "rss_anon_bytes": 83210240,
    "used_memory_bytes": 73434352,
    "used_memory_dataset_bytes": 37457880,
    "vm_pte_bytes": 270336,
    "fork_microseconds": 1880,
    "last_cow_bytes": 2502656,
    "peak_cow_seen_bytes": 319488,
    "cgroup_anon_before_bytes": 83189760,
    "cgroup_anon_peak_bytes": 85684224,
    "status": "ok",
}


def parsed(**changed: object) -> Case:
    return parse_case(json.dumps(LINE | changed))


def test_a_recorded_line_comes_back_as_it_was() -> None:
    assert parsed().to_fields() == LINE
    assert list(parsed().to_fields()) == list(LINE)


@pytest.mark.parametrize("written", ["uniform", "zipf0.99", "zipf1.2", "hot1", "hot10"])
def test_every_recorded_distribution_comes_back(written: str) -> None:
    case = parsed(distribution=written)
    assert case.to_fields()["distribution"] == written
    assert case.distribution == Distribution.parse(written)


def test_a_field_that_is_not_ours_is_kept() -> None:
    case = parsed(host="a")
    assert case.extra == {"host": "a"}
    assert case.to_fields()["host"] == "a"


def test_what_comes_after_the_fork_may_be_missing() -> None:
    before = {name: LINE[name] for name in LINE if name not in ("last_cow_bytes", "status", "save_seconds")}
    case = parse_case(json.dumps(before))
    assert case.last_cow_bytes is None
    assert case.measured_cow() is None
    assert case.to_fields() == before


def test_only_a_save_that_finished_was_measured() -> None:
    assert parsed().measured_cow() == 2502656
    assert replace(parsed(), status="server killed").measured_cow() is None


def test_the_engine_is_server_version_allocator() -> None:
    assert parsed().server() == ("redis", "7.0.15", "jemalloc")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"keys": 0}, "keys: 0 is not a whole number of at least 1", id="no keys"),
        pytest.param({"keys": 1.5}, "keys: 1.5 is not a whole number", id="half a key"),
        pytest.param({"keys": True}, "keys: True is not", id="a boolean is no number"),
        pytest.param({"keys": None}, "keys: is missing", id="null is missing"),
        pytest.param({"value_bytes": "20"}, "value_bytes: '20' is not", id="a number in quotes"),
        pytest.param({"writes_during_save": -1}, "writes_during_save: -1 is not", id="negative"),
        pytest.param({"save_seconds": float("nan")}, "save_seconds: nan is not a number", id="NaN"),
        pytest.param({"save_seconds": float("inf")}, "save_seconds: inf is not a number", id="infinite"),
        pytest.param({"engine": "redis"}, "server-version-allocator", id="no version"),
        pytest.param({"engine": 7}, "engine: 7 is not text", id="engine is a number"),
        pytest.param({"distribution": "hot"}, "distribution: 'hot' is not a distribution", id="hot without per cent"),
    ],
)
def test_a_wrong_field_is_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(CaseError, match=message):
        parsed(**changed)


@given(st.text())
def test_any_text_is_a_case_or_a_case_error(text: str) -> None:
    with pytest.raises(CaseError):
        parse_case(text)


@given(
    st.dictionaries(
        st.sampled_from(sorted(LINE)), st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    )
)
def test_any_change_of_a_line_is_a_case_or_a_case_error(changed: dict[str, object]) -> None:
    try:
        case = parsed(**changed)
    except CaseError:
        return
    assert case == parse_case(json.dumps(case.to_fields()))


def test_deeply_nested_json_is_a_case_error() -> None:
    with pytest.raises(CaseError, match="not JSON"):
        parse_case("[" * 200_000)


def test_a_wrong_line_is_named_by_file_and_number(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(LINE) + "\n\n" + json.dumps(LINE | {"keys": -1}) + "\n")
    with pytest.raises(CaseError, match=r"cases.jsonl line 3: keys: -1"):
        read_jsonl(path)


def test_a_file_without_cases_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text("\n")
    with pytest.raises(CaseError, match="holds no case"):
        read_jsonl(path)


def test_bytes_that_are_not_text_are_a_case_error(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(CaseError, match="line 1: not JSON"):
        read_jsonl(path)


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    append_jsonl(path, [parsed()])
    append_jsonl(path, [parsed(keys=5)])
    assert [case.keys for case in read_jsonl(path)] == [667182, 5]
