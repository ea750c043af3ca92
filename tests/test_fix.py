"""Every fix is applied and judged again: the server is no longer unsafe, and no other line has changed."""

from __future__ import annotations

import difflib
import json
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.fix import Fix, Unfixed, difference, edited_file
from checker.lint import Linted, lint
from checker.manifests import split
from checker.manifests.files import BOM
from checker.policy import Assumptions
from tests.manifests.making import config_map, workload

LIMIT = "resources: {limits: {memory: 256Mi}}\n"


def judged(text: str, **stated: float) -> Linted:
    lines = text.removeprefix(BOM).splitlines(keepends=True)
    return lint(split(lines, "f.yaml"), Assumptions(**stated))


def fixed(text: str) -> str:
    """The text with all its fixes."""
    edits = [edit for answer in judged(text).answers() if isinstance(answer, Fix) for edit in answer.edits]
    after = edited_file(text, edits)
    assert after is not None
    return after


def grades(text: str) -> list[str]:
    return [verdict.grade for verdict in judged(text).report.verdicts]


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """(lines that are gone, lines that are new)."""
    lines = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def check(text: str, gone: list[str], new: list[str]) -> None:
    """The fixes change these lines (without their indentation), and no server is unsafe any more."""
    assert "unsafe" in grades(text)
    after = fixed(text)
    assert "unsafe" not in grades(after)
    before_lines, after_lines = changed_lines(text, after)
    assert ([line.strip() for line in before_lines], [line.strip() for line in after_lines]) == (gone, new)


SHAPES = [
    pytest.param("image: redis:7\n" + LIMIT, [], ['args: ["--maxmemory", "203mb"]'], id="no args at all"),
    pytest.param(
        "image: redis:7\nargs: [--appendonly, 'yes'] # durable\n" + LIMIT,
        ["args: [--appendonly, 'yes'] # durable"],
        ["args: [--appendonly, 'yes', '--maxmemory', '203mb'] # durable"],
        id="args in one line keep their quotes and comment",
    ),
    pytest.param(
        'image: redis:7\ncommand:\n- redis-server\n- "--save"   # often\n- "60 1"\n# memory\n' + LIMIT,
        [],
        ['- "--maxmemory"', '- "203mb"'],
        id="a command by indentation",
    ),
    pytest.param(
        "image: redis:6.0\n" + LIMIT,
        [],
        ['args: ["--maxmemory", "203mb", "--save", "3600", "1", "--save", "300", "100", "--save", "60", "10000"]'],
        id="before 6.2 any option would switch the save points off",
    ),
    pytest.param(
        "image: redis/redis-stack-server:7.4.0-v3\nenv:\n- name: A\n  value: b\n" + LIMIT,
        [],
        ["- name: REDIS_ARGS", 'value: "--maxmemory 203mb"'],
        id="a variable that the image reads",
    ),
    pytest.param(
        'image: bitnami/redis:7.4\nenv:\n- {name: REDIS_EXTRA_FLAGS, value: "--loglevel notice"}\n' + LIMIT,
        ['- {name: REDIS_EXTRA_FLAGS, value: "--loglevel notice"}'],
        ['- {name: REDIS_EXTRA_FLAGS, value: "--loglevel notice --maxmemory 203mb"}'],
        id="a variable that is there already",
    ),
    pytest.param(
        "image: redis:7\nargs: [--maxmemory, 230mb]\n" + LIMIT,
        ["resources: {limits: {memory: 256Mi}}"],
        ["resources: {limits: {memory: 304Mi}}"],
        id="a limit that is too low",
    ),
    pytest.param(
        'image: redis:7\nargs: [--maxmemory, 230mb]\nresources:\n  requests:\n    memory: "256Mi"\n'
        '    cpu: 1 # a core\n  limits:\n    memory: "256Mi"\n',
        ['memory: "256Mi"', 'memory: "256Mi"'],
        ['memory: "304Mi"', 'memory: "304Mi"'],
        id="a request that equals the limit goes with it",
    ),
]


@pytest.mark.parametrize(("container", "gone", "new"), SHAPES)
def test_a_fix_changes_only_its_own_lines(container: str, gone: list[str], new: list[str]) -> None:
    check(workload(container), gone, new)


@pytest.mark.parametrize(("container", "gone", "new"), SHAPES)
def test_line_ends_and_byte_order_marks_stay(container: str, gone: list[str], new: list[str]) -> None:
    windows = BOM + workload(container).replace("\n", "\r\n")
    after = fixed(windows)
    assert after.startswith(BOM)
    assert after.count("\r\n") == after.count("\n")
    assert after.removeprefix(BOM).replace("\r\n", "\n") == fixed(workload(container))


MOUNTED = 'image: redis:7\ncommand: [sh, -c, "exec redis-server /c/redis.conf"]\n' + LIMIT
MOUNT = "volumeMounts: [{name: c, mountPath: /c}]\n"
VOLUME = "volumes: [{name: c, configMap: {name: conf}}]\n"


@pytest.mark.parametrize(
    ("conf", "gone", "new"),
    [
        pytest.param(
            "save 60 1\nappendonly yes\n", [], ["maxmemory 203mb"], id="below the last line that says anything"
        ),
        pytest.param("# ours\nmaxmemory 0\n", ["maxmemory 0"], ["maxmemory 203mb"], id="over its own maxmemory 0"),
        pytest.param("maxmemory-policy allkeys-lru\nsave 60 1\n", [], ["maxmemory 203mb"], id="beside the policy"),
    ],
)
def test_a_configuration_file_is_changed_where_it_is(conf: str, gone: list[str], new: list[str]) -> None:
    check(workload(MOUNTED + MOUNT, pod=VOLUME) + config_map("conf", redis_conf=conf), gone, new)


def test_two_servers_of_one_file_share_its_change() -> None:
    one = workload(MOUNTED + MOUNT, pod=VOLUME)
    two = one.replace("name: w", "name: x")
    check(one + "---\n" + two + config_map("conf", redis_conf="save 60 1\n"), [], ["maxmemory 203mb"])


def as_list(*texts: str, item: str = "  - ") -> str:
    """The documents as items of one List."""
    blank = " " * len(item)
    items = ["".join(blank + line for line in text.splitlines(keepends=True) if line.strip()) for text in texts]
    return "kind: List\napiVersion: v1\nitems:\n" + "".join(item + text[len(item) :] for text in items)


@pytest.mark.parametrize("item", ["- ", "  - ", "-   "], ids=repr)
def test_an_item_of_a_list_is_changed_where_it_stands(item: str) -> None:
    container = "image: redis:7\nargs: [--maxmemory, 230mb]\n" + LIMIT
    conf = config_map("conf", redis_conf="save 60 1\n").removeprefix("---\n")
    text = as_list(workload(container), workload(MOUNTED + MOUNT, pod=VOLUME, name="x"), conf, item=item)
    check(
        text,
        ["resources: {limits: {memory: 256Mi}}"],
        ["resources: {limits: {memory: 304Mi}}", "maxmemory 203mb"],
    )


def test_json_stays_json() -> None:
    container = {"name": "c", "image": "redis:7", "resources": {"limits": {"memory": "256Mi"}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    for indent in (None, 2, "\t"):
        after = fixed(json.dumps(pod, indent=indent))
        assert json.loads(after)["spec"]["containers"][0]["args"] == ["--maxmemory", "203mb"]
        assert grades(after) == ["risky"]
        listed = fixed(json.dumps({"kind": "List", "items": [pod, pod]}, indent=indent))
        assert [item == json.loads(after) for item in json.loads(listed)["items"]] == [True, True]


def test_what_is_inside_a_script_is_left_alone_and_said() -> None:
    text = workload('image: redis:7\ncommand: [sh, -c, "redis-server --appendonly yes"]\n' + LIMIT)
    (answer,) = judged(text).answers()
    assert isinstance(answer, Unfixed)
    assert "shell script" in answer.why.why
    assert "203mb" in answer.why.remedy
    assert fixed(text) == text


def test_an_anchor_is_not_changed_for_all_who_use_it() -> None:
    shared = "x-r: &r\n  limits: {memory: 256Mi}\n"
    for use in ("resources: *r\n", "resources:\n  <<: *r\n"):
        text = shared + workload("image: redis:7\nargs: [--maxmemory, 230mb]\n" + use)
        (answer,) = judged(text).answers()
        assert isinstance(answer, Unfixed)
        assert "anchor" in answer.why.why


def test_a_limit_range_is_not_the_workloads() -> None:
    text = workload("image: redis:7\nargs: [--maxmemory, 230mb]\n") + dedent("""\
        ---
        apiVersion: v1
        kind: LimitRange
        metadata: {name: l}
        spec: {limits: [{type: Container, default: {memory: 256Mi}}]}
        """)
    (answer,) = judged(text).answers()
    assert isinstance(answer, Unfixed)
    assert "not written here" in answer.why.why


def test_a_maxmemory_that_follows_the_limit_is_fixed_in_place_of_the_limit() -> None:
    env = "env: [{name: M, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]\n"
    text = workload("image: redis:7\nargs:\n- --maxmemory\n- $(M)\n" + env + LIMIT)
    (verdict,) = judged(text).report.verdicts
    assert verdict.server.config.maxmemory_follows_limit
    assert verdict.recommendation.limit_bytes is None
    check(text, [], ["- --maxmemory", "- 203mb"])


def test_a_pods_own_limit_is_raised_too() -> None:
    pod = "resources: {limits: {memory: 200Mi}}\n"
    text = workload("image: redis:7\nargs: [--maxmemory, 230mb]\n" + LIMIT, pod=pod)
    check(
        text,
        ["resources: {limits: {memory: 200Mi}}", "resources: {limits: {memory: 256Mi}}"],
        ["resources: {limits: {memory: 304Mi}}", "resources: {limits: {memory: 304Mi}}"],
    )


def test_a_file_that_changed_meanwhile_is_not_touched() -> None:
    text = workload(SHAPES[0].values[0])
    (answer,) = judged(text).answers()
    assert isinstance(answer, Fix)
    assert edited_file(text.replace("redis:7", "redis:8"), answer.edits) is None


def test_git_applies_the_difference(tmp_path: Path) -> None:
    before = workload(SHAPES[0].values[0]).removesuffix("\n")
    after = fixed(before)
    (tmp_path / "f.yaml").write_text(before)
    patch = difference("f.yaml", before, after)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert (tmp_path / "f.yaml").read_text() == after


# --- many shapes -----------------------------------------------------------------------------------------------------

IMAGES = st.sampled_from(
    [
        "redis:7",
        "redis:5",
        "valkey/valkey:8.1",
        "eqalpha/keydb:x86_64_v6.3.4",
        "bitnami/redis:7.2",
        "redis/redis-stack-server:7.4",
    ]
)
OPTIONS = st.lists(
    st.sampled_from(["--appendonly yes", '--save ""', "--maxmemory 0", "--port 6379", "--maxmemory 200mb"]), max_size=3
)
LIMITS = st.sampled_from(["64Mi", '"256Mi"', "'1Gi'", "268435456", "0.5Gi"])


@st.composite
def containers(draw: st.DrawFn) -> str:
    words = [word for option in draw(OPTIONS) for word in option.split()]
    key = draw(st.sampled_from(["args", "command"]))
    words = ["redis-server", *words] if key == "command" else words
    quoted = [json.dumps(word.strip('"')) if draw(st.booleans()) or word == '""' else word for word in words]
    listed = (
        f"{key}: [{', '.join(quoted)}]\n" if draw(st.booleans()) else f"{key}:\n" + "".join(f"- {w}\n" for w in quoted)
    )
    memory = draw(LIMITS)
    resources = f"resources:\n  limits:\n    memory: {memory}   # as before\n"
    if draw(st.booleans()):
        resources += f"  requests:\n    memory: {memory}\n"
    parts = [f"image: {draw(IMAGES)}  # pinned\n", listed if words else "", resources]
    return "".join(draw(st.permutations(parts)))


@given(containers(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_the_shape_a_fix_holds_and_leaves_the_rest_alone(container: str, windows: bool) -> None:
    text = "# a comment\n" + workload(container) + "  # the end\n"
    text = text.replace("\n", "\r\n") if windows else text
    answers = judged(text).answers()
    after = fixed(text)
    for before_grade, after_grade in zip(grades(text), grades(after), strict=True):
        assert after_grade != "unsafe" or isinstance(answers[0], Unfixed) or before_grade != "unsafe"
    gone, new = changed_lines(text, after)
    assert len(gone) <= 2
    assert len(new) <= len(gone) + 20
    for answer in answers:
        if isinstance(answer, Unfixed):
            assert after == text
            assert answer.why.why
