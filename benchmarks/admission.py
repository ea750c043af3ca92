"""How fast a review is answered, without HTTP: `python -m benchmarks.admission`, in reviews a second on one core."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Final

from benchmarks.reviews import admission_review
from benchmarks.speed import milliseconds
from checker.manifests import extract, parsed
from checker.policy import Policy
from checker.rules import judge
from webhook.review import Memory, Unasked, parse, review

RUNS: Final = 300


def figures() -> list[tuple[str, float]]:
    """(what, milliseconds) of a review and of its parts."""
    enforce, off = Policy(mode="enforce"), Policy(mode="off")
    body, plain = admission_review(), admission_review("nginx:1.27")
    update = admission_review(operation="UPDATE")
    document = parsed(parse(json.loads(body)).value, "a benchmark")
    (server,) = extract([document]).servers

    def anew(body: bytes, policy: Policy) -> Callable[[], object]:
        return lambda: json.dumps(review(parse(json.loads(body)), policy, Unasked(), Memory()).answer)

    def again(body: bytes, policy: Policy) -> Callable[[], object]:
        memory = Memory()
        return lambda: json.dumps(review(parse(json.loads(body)), policy, Unasked(), memory).answer)

    steps: list[tuple[str, Callable[[], object]]] = [
        ("CREATE of an unsafe Redis Pod, denied", anew(body, enforce)),
        ("the same UPDATE, before and after alike", anew(update, enforce)),
        ("the same CREATE, remembered", again(body, enforce)),
        ("a Pod without Redis", anew(plain, enforce)),
        ("mode off: JSON in and out", again(body, off)),
        ("of that: extraction", lambda: extract([document])),
        ("of that: judgement", lambda: judge(server, None, None, enforce)),
    ]
    return [(what, milliseconds(action, RUNS)) for what, action in steps]


def main() -> None:
    """Print them."""
    for what, taken in figures():
        sys.stdout.write(f"{what:42} {taken:8.3f} ms {1000 / taken:10,.0f} /s\n")


if __name__ == "__main__":
    main()
