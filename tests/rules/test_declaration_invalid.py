from checker.facts import Unread
from tests.build import a_manifest, declares
from tests.rules.asking import ask, verdict_on

RULE = "declaration-invalid"
WRONG = Unread("StatefulSet cache annotation bgsafe.io/write-rate", "'many' is not a number", "write it like 2000")


def test_a_wrong_annotation_is_never_passed_over():
    server = a_manifest(declared=declares(wrong=(WRONG,)))
    finding = ask(RULE, server)
    assert finding.status == "unknown"
    assert WRONG.where in finding.message
    assert finding.remedy == WRONG.remedy
    assert verdict_on(server).grade == "unknown"


def test_all_wrong_annotations_are_named_and_each_remedy_once():
    other = Unread("StatefulSet cache annotation bgsafe.io/dataset", "'big' is not a size", WRONG.remedy)
    finding = ask(RULE, a_manifest(declared=declares(wrong=(WRONG, other))))
    assert other.where in finding.message
    assert finding.remedy == WRONG.remedy


def test_right_annotations_are_not_spoken_of():
    assert ask(RULE, a_manifest(declared=declares(write_rate_per_second=10.0))) is None


def test_a_rule_that_does_not_exist_cannot_be_ignored():
    finding = ask(RULE, a_manifest(declared=declares(ignores={"maxmemory-unst": "a cache"})))
    assert finding.status == "unknown"
    assert "bgsafe.io/ignore.maxmemory-unst" in finding.message
    assert ask(RULE, a_manifest(declared=declares(ignores={"maxmemory-unset": "a cache"}))) is None
