"""The HTML report in a real browser: it sorts, filters, computes, prints, and takes hostile names for text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from checker.facts import UNLIMITED, Population, Unread
from checker.plan import Wish, parse_engine, plan
from checker.policy import Assumptions, Policy
from checker.report import Report
from checker.report.html import render
from checker.rules import judge
from checker.units import GIB, MIB
from checker.verdict import Verdict
from tests.build import NEVER_FORKS, UNREAD, a_config, a_manifest, an_engine
from tests.report.sample import lint_report, node_report

Show = Callable[[Report], Any]

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">&amp;<b>'\"\x07\u202e"


def a_verdict(name: str = "cache", **changed: Any) -> Verdict:
    server = a_manifest(**changed)
    return judge(replace(server, subject=replace(server.subject, name=name)), None)


def a_fleet() -> Report:
    shape = (Population(600 * MIB // 200, 100, 10),)
    return Report(
        None,
        (
            a_verdict("roomy", limit=4 * GIB),
            a_verdict("tight", limit=700 * MIB),
            a_verdict("middling", limit=1 * GIB, shape=shape, engine=an_engine(name="valkey", version="8.1.1")),
            a_verdict("free", limit=UNLIMITED),
            a_verdict("far", limit=UNREAD),
            a_verdict("still", config=a_config(**NEVER_FORKS)),
        ),
        not_redis=2,
        problems=(Unread("x.yaml line 3", "broken <b>YAML</b>", "indent it"),),
    )


def names(page: Any) -> list[str]:
    rows = page.find_elements(By.CSS_SELECTOR, "#fleet tbody tr:not([hidden]) td:nth-child(2)")
    return [re.search(r"/shop/(\w+)/", row.text)[1] for row in rows]


def sort_by(page: Any, column: int) -> None:
    page.find_elements(By.CSS_SELECTOR, "#fleet th button")[column].click()


def set_slider(page: Any, section: Any, name: str, value: int) -> None:
    slider = section.find_element(By.CSS_SELECTOR, f"input[data-name={name}]")
    page.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
        slider,
        value,
    )


def server(page: Any, name: str) -> Any:
    found = next(each for each in page.find_elements(By.CSS_SELECTOR, "section.server") if f"/{name}/" in each.text)
    page.execute_script("arguments[0].scrollIntoView()", found)
    wait = """
    const [place, done] = arguments;
    const look = () => place.querySelector("canvas") ? done() : setTimeout(look, 20);
    look();
    """
    if found.find_elements(By.CLASS_NAME, "what-if"):
        page.execute_async_script(wait, found)
    return found


def test_the_worst_server_is_first_and_everything_is_said(shown: Show) -> None:
    page = shown(a_fleet())
    assert page.title == "bgsafe: 6 servers: 2 safe, 2 risky, 1 unsafe, 1 unknown"
    assert names(page) == ["tight", "far", "middling", "free", "roomy", "still"]
    assert "broken <b>YAML</b>" in page.find_element(By.CLASS_NAME, "problems").text
    for verdict in a_fleet().verdicts:
        section = server(page, verdict.server.subject.name)
        for finding in verdict.findings:
            assert (finding.rule in section.text) or finding.status == "pass"
            if finding.status != "pass":
                assert finding.message in section.text
                assert (finding.remedy or "") in section.text


def test_the_table_sorts_by_numbers_and_by_words_both_ways(shown: Show) -> None:
    page = shown(a_fleet())
    sort_by(page, 3)
    assert names(page)[-1] == "tight"
    sort_by(page, 3)
    assert names(page)[0] == "tight"
    head = page.find_elements(By.CSS_SELECTOR, "#fleet th")[3]
    assert head.get_attribute("aria-sort") == "ascending"
    assert len(page.find_elements(By.CSS_SELECTOR, "#fleet th[aria-sort]")) == 1
    sort_by(page, 1)
    assert names(page)[0] == "middling"  # valkey, falling


def test_the_table_sorts_from_the_keyboard(shown: Show) -> None:
    page = shown(a_fleet())
    page.find_elements(By.CSS_SELECTOR, "#fleet th button")[0].send_keys(Keys.ENTER)
    assert names(page)[-1] == "tight"


def test_the_table_filters_by_text_and_verdict_and_takes_the_sections_along(shown: Show) -> None:
    page = shown(a_fleet())
    page.find_element(By.ID, "filter").send_keys("VALKEY")
    assert names(page) == ["middling"]
    assert page.find_element(By.ID, "shown").text == "1 of 6 shown"
    assert len(page.find_elements(By.CSS_SELECTOR, "section.server:not([hidden])")) == 1
    page.find_element(By.ID, "filter").clear()
    page.find_element(By.ID, "filter").send_keys(Keys.SPACE, Keys.BACKSPACE)
    page.find_element(By.CSS_SELECTOR, "input[value=risky]").click()
    assert names(page) == ["tight", "far", "roomy", "still"]


def test_a_link_in_the_table_leads_to_its_server(shown: Show) -> None:
    page = shown(a_fleet())
    page.find_element(By.LINK_TEXT, page.find_element(By.CSS_SELECTOR, "#fleet td a").text).click()
    assert page.execute_script("return document.querySelector(':target').textContent").find("/tight/") > 0


def test_sliders_move_the_numbers_and_back(shown: Show) -> None:
    page = shown(a_fleet())
    section = server(page, "middling")
    outcome = section.find_element(By.CLASS_NAME, "outcome")
    before = outcome.text
    verdict = next(each for each in a_fleet().verdicts if each.server.subject.name == "middling")
    assert verdict.estimate is not None
    assert before.startswith(f"Risky: it holds up to {int(verdict.estimate.write_budget_per_second or 0):,} writes/s")
    set_slider(page, section, "rate", 900)
    assert outcome.text.startswith("Unsafe: killed after ")
    set_slider(page, section, "limit", 1000)
    assert outcome.text.startswith("Safe: even the worst case fits")
    set_slider(page, section, "resident", 1000)
    assert outcome.text.startswith("Unsafe: ")
    labels = [each.text for each in section.find_elements(By.CSS_SELECTOR, ".sliders output")]
    assert labels[0].endswith("writes/s")
    section.find_element(By.CLASS_NAME, "reset").click()
    assert outcome.text == before


def test_sliders_move_from_the_keyboard_and_say_their_value(shown: Show) -> None:
    page = shown(a_fleet())
    section = server(page, "middling")
    slider = section.find_element(By.CSS_SELECTOR, "input[data-name=rate]")
    before = slider.get_attribute("aria-valuetext")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.PAGE_UP)
    assert slider.get_attribute("aria-valuetext") != before == "1,000 writes/s"


def test_what_does_not_fork_or_is_not_known_has_no_sliders(shown: Show) -> None:
    page = shown(a_fleet())
    assert not server(page, "still").find_elements(By.TAG_NAME, "input")
    assert server(page, "free").find_element(By.CLASS_NAME, "outcome").text.startswith("No limit: ")


def test_a_plan_has_its_answer_its_tables_and_its_snippets(shown: Show) -> None:
    wish = Wish(engine=parse_engine("redis:7.2"), limit=4 * GIB)
    answer, verdict = plan(wish, Assumptions(write_rate_per_second=5000.0), Policy())
    page = shown(Report(None, (verdict,), plan=answer))
    assert page.find_element(By.TAG_NAME, "h1").text == answer.answer
    tables = page.find_element(By.CLASS_NAME, "tables").text
    assert "fits, the plan" in tables
    assert "more than 11,472 writes/s" in tables
    page.find_element(By.XPATH, "//summary[text()='redis.conf']").click()
    assert "maxmemory 2443mb" in page.find_element(By.CSS_SELECTOR, "details[open] pre").text


@pytest.mark.parametrize("report", [lint_report(), node_report(), Report(None, ())], ids=["lint", "node", "nothing"])
def test_every_report_opens_without_complaint(shown: Show, report: Report) -> None:
    page = shown(report)
    assert page.find_element(By.TAG_NAME, "h1").text


def test_hostile_names_are_text(shown: Show) -> None:
    hostile = replace(a_verdict(HOSTILE), server=replace(a_manifest(), unread=(Unread(HOSTILE, HOSTILE, HOSTILE),)))
    subject = replace(hostile.server.subject, name=HOSTILE, namespace=HOSTILE, file=HOSTILE, container=HOSTILE)
    finding = replace(hostile.findings[0], status="warn", message=HOSTILE, remedy=HOSTILE)
    estimate = replace(hostile.estimate, sources=dict.fromkeys(hostile.estimate.sources, HOSTILE))
    bad = replace(
        hostile,
        server=replace(hostile.server, subject=subject),
        findings=(finding, replace(finding, status="ignored", ignored_because=HOSTILE)),
        estimate=estimate,
    )
    page = shown(Report(None, (bad, a_verdict()), problems=(Unread(HOSTILE, HOSTILE),)))
    assert page.title.startswith("bgsafe: ")
    assert page.find_elements(By.TAG_NAME, "img") == []
    assert page.find_elements(By.TAG_NAME, "b") != []  # the counts' own
    assert page.execute_script("return document.scripts.length") == 3
    assert page.find_element(By.ID, "server-0").text.count("onerror=") > 10


def test_the_page_lets_no_script_run_but_its_own(shown: Show, chromium: Any) -> None:
    page = shown(a_fleet())
    page.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<img id=x src=data: onerror=\"window.ran=1\">')"
    )
    page.execute_async_script("setTimeout(arguments[0], 200)")
    assert page.execute_script("return window.ran") is None
    refused = [entry["message"] for entry in chromium.get_log("browser")]
    assert any("Content Security Policy" in message for message in refused)


def test_everything_has_a_label_and_enough_contrast_in_light_and_dark(shown: Show, chromium: Any) -> None:
    page = shown(a_fleet())
    server(page, "middling")
    for field in page.find_elements(By.CSS_SELECTOR, "input, button, [role=img], [role=region]"):
        assert field.accessible_name, field.get_attribute("outerHTML")
    for scheme in ("light", "dark"):
        chromium.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        low = page.execute_script(CONTRAST)
        assert low == [], scheme
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


CONTRAST = r"""
const channel = (value) => { const c = value / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const numbers = (text) => text.match(/[\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const found = numbers(getComputedStyle(each).backgroundColor);
    if (found.length < 4 || found[3] === 1) return found;
  }
  return [255, 255, 255];
};
const low = [];
for (const element of document.querySelectorAll("body *")) {
  const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!words || ["SCRIPT", "STYLE", "TEMPLATE"].includes(element.tagName) || !element.getClientRects().length) continue;
  const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) low.push(`${element.tagName} ${element.className} ${ratio.toFixed(2)}`);
}
return low;
"""


def test_a_phone_scrolls_the_table_and_not_the_page(shown: Show) -> None:
    page = shown(a_fleet())
    page.set_window_size(500, 900)
    server(page, "middling")
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_the_printer_gets_every_plot(shown: Show) -> None:
    page = shown(a_fleet())
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    places = page.find_elements(By.CLASS_NAME, "what-if")
    assert len(places) == len([each for each in places if each.find_elements(By.TAG_NAME, "canvas")]) > 2


def test_five_hundred_servers_are_a_file_below_five_megabytes() -> None:
    fleet = a_fleet()
    many = replace(fleet, verdicts=(fleet.verdicts * 84)[:500])
    text = render(many)
    assert len(text.encode()) < 5_000_000
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//(?!github\.com|bgsafe\.io)""", text)
