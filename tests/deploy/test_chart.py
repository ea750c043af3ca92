"""The chart: its values, and what they make."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.manifests import extract, parsed
from checker.policy import EngineImage
from checker.policy_file import parse
from tests.deploy.conditions import compiled
from tests.deploy.rendering import CHART, ROOT, Object, helm, kustomize, named, tool

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_chart_has_no_lint() -> None:
    done = subprocess.run([tool("helm"), "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_everything_is_of_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    pages = [*ROOT.glob("deploy/**/*.yaml"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    images = {tag for page in pages for tag in re.findall(r"ghcr\.io/bgsafe/bgsafe:(\S+)", page.read_text())}
    assert {chart["version"], chart["appVersion"], *images} == {VERSION}


# --- values ---


def leaves(value: Any, schema: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, whether it is in values.yaml, in the schema, or in both)."""
    known = schema.get("properties", {}) if isinstance(schema, dict) else {}
    said = value if isinstance(value, dict) and known else {}
    for key in {**known, **said}:
        where = "both" if key in known and key in said else "schema" if key in known else "values"
        yield f"{path}{key}", where
        yield from leaves(said.get(key), known.get(key), f"{path}{key}.")


def test_values_and_schema_have_the_same_keys() -> None:
    """But for the policy's: all of them are optional, and only the mode is said."""
    optional = r"(policy\.\w+|global)"
    assert [each for each in leaves(VALUES, SCHEMA) if each[1] != "both" and not re.fullmatch(optional, each[0])] == []


def test_every_value_is_explained() -> None:
    """By a comment above it; but for the keys of a map that is a value itself."""
    inner = ("requests", "limits", "cpu", "memory", "kubernetes.io/os", "grafana_dashboard")
    lines = (CHART / "values.yaml").read_text().splitlines()
    keys = [(before, key[1]) for before, line in pairwise(lines) if (key := re.match(r" *([\w./]+):", line))]
    assert [key for before, key in keys if not before.lstrip().startswith("#") and key not in inner] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param("{webhook: {failurePolicy: Maybe}}", "failurePolicy", id="a failure policy that is none"),
        pytest.param("{webhook: {timeoutSeconds: 31}}", "timeoutSeconds", id="a timeout that Kubernetes refuses"),
        pytest.param("{webhook: {replicas: 0}}", "replicas", id="nobody to answer"),
        pytest.param("{policy: {mode: enforced}}", "mode", id="a mode that is none"),
        pytest.param("{policy: {modus: warn}}", "modus", id="a policy's key that is none"),
        pytest.param("{agent: {enable: true}}", "enable", id="a misspelt key"),
        pytest.param("{image: {digest: 'sha256:abc'}}", "digest", id="a digest that is none"),
        pytest.param("{webhook: {certificates: {mode: secret}}}", "secretName", id="no name of the Secret"),
        pytest.param(
            "{webhook: {certificates: {mode: secret, secretName: s}}}", "caBundle", id="no CA for the API server"
        ),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        helm(values)


def test_the_policy_is_one_that_bgsafe_reads() -> None:
    values = """
policy:
  mode: enforce
  denyOn: risky
  unknown: deny
  defaults: {writeRatePerSecond: 10, saveThroughput: 80MB, fragmentation: 1.2}
  engines: [{image: "registry.example/mycache*", engine: redis}]
  exempt: [{namespace: team-a, name: "cache-*", reason: why}]
"""
    policy = parse(named(helm(values), "ConfigMap", "bgsafe-policy")["data"]["policy.yaml"], "the ConfigMap")
    assert (policy.mode, policy.deny_on, policy.unknown) == ("enforce", "risky", "deny")
    assert policy.engines == (EngineImage("registry.example/mycache*", "redis"),)


def test_the_default_policy_warns() -> None:
    for rendered in (helm(), kustomize()):
        assert parse(named(rendered, "ConfigMap", "bgsafe-policy")["data"]["policy.yaml"], "").mode == "warn"


# --- images of the policy ---


@cache
def asked_with(pattern: str) -> Callable[..., bool]:
    """The chart's condition for a policy with images of this pattern."""
    values = {"policy": {"mode": "warn", "engines": [{"image": pattern, "engine": "redis"}]}}
    configuration = named(helm(json.dumps(values)), "ValidatingWebhookConfiguration", "bgsafe")
    return compiled(configuration["webhooks"][0]["matchConditions"][0]["expression"])


PATTERNS = ["registry.example/mycache*", "*/my[cC]ache:?.*", "store-[!x]*-v?", "*"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_an_image_of_the_policy_leaves_the_api_server(pattern: str) -> None:
    ask = asked_with(pattern)
    for name in ("registry.example/mycache-2:1", "a/myCache:2.1", "store-a-big-v2"):
        if fnmatchcase(name, pattern):
            assert ask({"spec": {"containers": [{"image": name}]}})


IMAGE_PARTS = st.sampled_from(
    ["registry.example", "/", "mycache", "myCache", "store-", "a-v2", ":", "1.", "redis", "x"]
)


@settings(max_examples=300)
@given(
    image=st.lists(IMAGE_PARTS, max_size=6).map("".join),
    command=st.sampled_from([[], ["$(PROGRAM)"], ["/start"]]),
    pattern=st.sampled_from(PATTERNS[:3]),
)
def test_no_server_by_the_policys_images_is_filtered_out(image: str, command: list[str], pattern: str) -> None:
    env = [{"name": "PROGRAM", "value": "redis-server"}]
    value = {"kind": "Pod", "spec": {"containers": [{"name": "c", "image": image, "command": command, "env": env}]}}
    found = extract([parsed(value, "the review")], [EngineImage(pattern, "redis")]).servers
    assert not found or asked_with(pattern)(value)


# --- parts ---


@pytest.mark.parametrize("part", ["agent", "webhook"])
def test_a_part_that_is_off_leaves_nothing(part: str) -> None:
    rendered = helm(json.dumps({part: {"enabled": False}}))
    assert [value for value in rendered if value["metadata"]["labels"]["app.kubernetes.io/component"] == part] == []
    assert rendered


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        pytest.param("{networkPolicy: {enabled: false}}", "NetworkPolicy", id="network policies"),
        pytest.param("{webhook: {podDisruptionBudget: false}}", "PodDisruptionBudget", id="disruption budget"),
        pytest.param("{uninstallHook: {enabled: false}}", "Job", id="uninstall hook"),
    ],
)
def test_what_is_switched_off_is_not_there(values: str, kind: str) -> None:
    assert kind in {value["kind"] for value in helm()}
    assert kind not in {value["kind"] for value in helm(values)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param("{}", {"workloads": "Ignore", "operators": "Ignore", "configmaps": "Ignore"}, id="as it is"),
        pytest.param(
            "{webhook: {failurePolicy: Fail}}",
            {"workloads": "Fail", "operators": "Fail", "configmaps": "Ignore"},
            id="a cluster never waits with its ConfigMaps",
        ),
        pytest.param(
            "{webhook: {operators: {enabled: false}, resolve: false}}", {"workloads": "Ignore"}, id="the least"
        ),
    ],
)
def test_the_webhooks_and_what_happens_without_them(values: str, expected: dict[str, str]) -> None:
    webhooks = named(helm(values), "ValidatingWebhookConfiguration", "bgsafe")["webhooks"]
    assert {each["name"].removesuffix(".bgsafe.io"): each["failurePolicy"] for each in webhooks} == expected
    for each in webhooks:
        assert (each["sideEffects"], each["matchPolicy"], each["timeoutSeconds"]) == ("None", "Equivalent", 3)
        excluded = {one["key"]: one["values"] for one in each["namespaceSelector"]["matchExpressions"]}
        assert excluded == {"kubernetes.io/metadata.name": ["bgsafe", "kube-system"], "bgsafe.io/mode": ["off"]}


def test_nothing_of_one_release_has_the_name_of_another() -> None:
    first, second = helm(release="one", namespace="a"), helm(release="two", namespace="b")
    names = [{(value["kind"], value["metadata"]["name"]) for value in rendered} for rendered in (first, second)]
    assert names[0] & names[1] == set()
    assert all(value["metadata"].get("namespace", "a") == "a" for value in first)


def test_extra_labels_are_on_every_object_and_pod_and_in_no_selector() -> None:
    for value in helm("{commonLabels: {team: storage}}"):
        assert value["metadata"]["labels"]["team"] == "storage"
        if (template := value.get("spec", {}).get("template")) is not None:
            assert template["metadata"]["labels"]["team"] == "storage"
            assert "team" not in value["spec"].get("selector", {}).get("matchLabels", {})


def test_a_digest_goes_before_the_tag() -> None:
    digest = f"sha256:{'0' * 64}"
    rendered = helm(json.dumps({"image": {"tag": "x", "digest": digest}}))
    images = {value["spec"]["template"]["spec"]["containers"][0]["image"] for value in workloads(rendered)}
    assert images == {f"bgsafe/bgsafe@{digest}"}


def workloads(rendered: tuple[Object, ...]) -> list[Object]:
    return [value for value in rendered if value["kind"] in ("DaemonSet", "Deployment", "Job")]


def test_the_chart_with_its_links_is_packaged_whole(tmp_path: Path) -> None:
    command = [tool("helm"), "package", str(CHART), "--destination", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    (package,) = tmp_path.glob("*.tgz")
    assert package.name == f"bgsafe-{VERSION}.tgz"
