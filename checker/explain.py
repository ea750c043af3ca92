"""`bgsafe explain`: the story of docs/story.md, and the section of docs/rules.md on one rule; each is written once."""

from __future__ import annotations

import re
from importlib.resources import files

from checker.rules import RULES


def story() -> str:
    """Why a save can kill a server, and where to go on."""
    text = files("checker").joinpath("story.md").read_text(encoding="utf-8").strip()
    return f"{text}\n\nSee it happen: bgsafe explain --try. What bgsafe asks: bgsafe explain list."


def explanation(rule: str) -> str | None:
    """The rule's section, without its heading mark; None for an id that is no rule."""
    return sections().get(rule)


def rule_list() -> str:
    """One line a rule: its id and its question."""
    width = max(len(rule.id) for rule in RULES)
    return "\n".join(f"{rule.id:<{width}}  {question(sections().get(rule.id, ''))}" for rule in RULES)


def question(section: str) -> str:
    """What a rule asks: the first paragraph of its section."""
    match = re.search(r"\*\*Asks\*\*:? *(.*)", section)
    return match[1] if match else ""


def sections() -> dict[str, str]:
    """Rule id → text of its section."""
    text = files("checker").joinpath("rules.md").read_text(encoding="utf-8")
    found = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {section.split("\n", 1)[0].strip(): section.strip() for section in found}
