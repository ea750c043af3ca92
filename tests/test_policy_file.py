"""Policy files: every key, and every way to get one wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.policy import EngineImage, Exemption, Policy
from checker.policy_file import PolicyError, load, parse
from checker.units import MIB

FULL = """
apiVersion: bgsafe.io/v1
kind: Policy
mode: enforce
denyOn: risky
unknown: deny
defaults: {writeRatePerSecond: 2500, saveThroughput: 80MB, fragmentation: 1.4}
engines: [{image: "registry.example/mycache*", engine: redis}]
exempt: [{namespace: kube-system}, {namespace: "team-a", name: "cache-*", reason: "moving out"}]
"""


def test_every_key() -> None:
    assert parse(FULL, "p.yaml") == Policy(
        write_rate_per_second=2500,
        save_throughput_per_second=80 * MIB,
        fragmentation_ratio=1.4,
        mode="enforce",
        deny_on="risky",
        unknown="deny",
        engines=(EngineImage("registry.example/mycache*", "redis"),),
        exempt=(Exemption("kube-system"), Exemption("team-a", "cache-*", "moving out")),
        source="p.yaml",
    )


def test_every_key_is_optional() -> None:
    assert parse("", "p.yaml") == Policy(source="p.yaml")


def test_off_is_a_mode_though_yaml_reads_it_as_false() -> None:
    assert parse("mode: off", "p.yaml").mode == "off"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("mode: strict", "policy p: mode: 'strict' is not one of enforce, warn, audit, off", id="a choice"),
        pytest.param("modus: warn", "unknown key 'modus'", id="an unknown key"),
        pytest.param("defaults: {writeRate: 1}", "policy p: defaults: unknown key 'writeRate'", id="a nested key"),
        pytest.param("defaults: {fragmentation: 0.9}", "is not a number of at least 1", id="below one"),
        pytest.param("defaults: {fragmentation: .nan}", "is not a number", id="not a number"),
        pytest.param("defaults: {writeRatePerSecond: true}", "True is not a number", id="a truth value"),
        pytest.param("defaults: {saveThroughput: fast}", "'fast' is not a size", id="no size"),
        pytest.param("defaults: {saveThroughput: 0}", "must be more than 0", id="a save that never ends"),
        pytest.param("engines: [{image: x, engine: mysql}]", "engines[0]: expected image", id="an unknown engine"),
        pytest.param("engines: {}", "engines: expected a list", id="no list"),
        pytest.param("exempt: [{name: x}]", "exempt[0]: expected namespace", id="no namespace"),
        pytest.param("exempt: [x]", "exempt[0]: expected a mapping", id="no mapping"),
        pytest.param("kind: Pod", "kind is 'Pod' (expected Policy)", id="another kind"),
        pytest.param("- a", "expected a mapping", id="a list"),
        pytest.param("a: [", "not YAML", id="broken YAML"),
        pytest.param("a: !!python/object:os.system {}", "not YAML", id="a tag that would run code"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse(text, "p")
    assert message in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="not UTF-8"):
        load(tmp_path / "binary")
    (tmp_path / "policy.yaml").write_text(FULL)
    assert load(tmp_path / "policy.yaml").mode == "enforce"


@given(st.text())
def test_no_text_crashes(text: str) -> None:
    try:
        parse(text, "p")
    except PolicyError as error:
        assert str(error).startswith("policy p")
