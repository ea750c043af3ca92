"""The pictures of a save: what they show, that they can be read, and what is said where they cannot be drawn."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from checker.facts import Unread
from checker.model.peak import peak_bytes
from checker.plan import Wish, parse_engine, plan
from checker.policy import Assumptions, Policy
from checker.report.course import budgets, course_of
from checker.report.picture import NO_MATPLOTLIB, NOTHING_TO_DRAW, draw
from checker.report.planned import Plan
from checker.units import GIB
from checker.verdict import Verdict

SVG = "{http://www.w3.org/2000/svg}"


def planned(rate: float = 5000.0, value: int | None = None, **wish: object) -> tuple[Plan, Verdict]:
    sizes = {"limit": 4 * GIB, **wish}
    return plan(
        Wish(engine=parse_engine("redis:7.2"), **sizes),
        Assumptions(write_rate_per_second=rate, value_bytes=value),
        Policy(),
    )


def texts(svg: bytes) -> list[str]:
    return ["".join(each.itertext()).strip() for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("value", [None, 100, 40_000], ids=["shape unknown", "small values", "values given back"])
@pytest.mark.parametrize("replicas", [0, 2])
def test_the_course_of_a_save_reaches_its_peak(value, replicas):
    _, verdict = planned(value=value, replicas=replicas)
    save, estimate = verdict.save, verdict.estimate
    course = course_of(save, 5000.0, estimate.limit_bytes, estimate.peak_worst_bytes)
    highest = max(moment.expected for moment in course.moments)
    assert highest == pytest.approx(peak_bytes(save, 5000.0), rel=2e-3)
    assert course.killed_at_seconds is None
    assert all(each.low <= each.expected <= each.high + 1e-6 <= course.worst_bytes + 1 for each in course.moments)


def test_a_save_that_does_not_fit_is_killed_when_it_passes_the_limit():
    _, verdict = planned(rate=9000.0, maxmemory=3 * GIB)
    save, estimate = verdict.save, verdict.estimate
    course = course_of(save, 9000.0, 4 * GIB, estimate.peak_worst_bytes)
    assert 0 < course.killed_at_seconds < course.seconds
    before = [m for m in course.moments if m.seconds < course.killed_at_seconds]
    assert all(moment.expected <= 4 * GIB for moment in before)
    assert course_of(save, 9000.0, GIB, estimate.peak_worst_bytes).killed_at_seconds == 0
    assert course_of(save, 9000.0, None, estimate.peak_worst_bytes).killed_at_seconds is None


def test_budgets_rise_with_the_limit():
    pairs = budgets(planned()[1].save)
    assert len(pairs) > 50
    assert list(pairs) == sorted(pairs)


def test_the_svg_says_what_the_plan_says():
    answer, verdict = planned()
    svg = draw(verdict, "svg", answer)
    assert isinstance(svg, bytes)
    root = ElementTree.fromstring(svg)
    assert root.find(f"{SVG}title").text == answer.answer
    assert root.get("role") == "img"
    said = texts(svg)
    for text in ("limit 4.00 GiB", "worst case 5.26 GiB", "expected, peak 4.00 GiB", "Write budget: 5,008 writes/s"):
        assert text in said
    assert not any("OOM kill" in text for text in said)
    assert svg == draw(verdict, "svg", answer)


def test_the_moment_of_the_kill_is_drawn():
    answer, verdict = planned(rate=9000.0, maxmemory=3 * GIB)
    svg = draw(verdict, "svg", answer)
    assert isinstance(svg, bytes)
    assert any(text.startswith("OOM kill after 7.") for text in texts(svg))


def test_the_svg_has_its_colours_for_the_dark():
    _, verdict = planned()
    svg = draw(verdict, "svg")
    assert isinstance(svg, bytes)
    styles = "".join(each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}style"))
    assert "prefers-color-scheme:dark" in styles
    assert b"fill: #c3cad5" in svg
    assert '[style*="fill: #c3cad5"]{fill:#3a4351!important}' in styles


def test_a_hostile_name_is_text_in_the_svg():
    _, verdict = planned()
    subject = replace(verdict.server.subject, name="</title><script>alert(1)</script>$x_$&\x01")
    svg = draw(replace(verdict, server=replace(verdict.server, subject=subject)), "svg")
    assert isinstance(svg, bytes)
    assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))


def test_the_png_is_one():
    png = draw(planned()[1], "png")
    assert isinstance(png, bytes)
    assert png.startswith(b"\x89PNG\r\n")


def test_where_nothing_forks_there_is_nothing_to_draw():
    assert draw(planned(persistence="none")[1], "svg") == NOTHING_TO_DRAW


def test_without_matplotlib_it_says_what_to_install():
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from checker.cli import cli\n"
        "cli(['plan', '--limit', '4Gi', '--plot', '/nowhere/x.svg'])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert str(NO_MATPLOTLIB) in ran.stderr
    assert isinstance(NO_MATPLOTLIB, Unread)
