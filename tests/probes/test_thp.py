import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.probes import thp


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("always [madvise] never\n", "madvise"),
        ("[always] madvise never", "always"),
        ("always defer [defer+madvise] madvise never", "defer+madvise"),
    ],
)
def test_the_word_in_brackets_is_the_mode(text, mode):
    assert thp.parse(text) == mode


def test_a_kernel_without_it_never_does_it(tree):
    root = tree({"sys/kernel/mm/ksm/run": "0"})
    assert thp.read(root, "enabled") == "never"


def test_a_tree_without_sys_does_not_say(tmp_path):
    assert isinstance(thp.read(tmp_path, "enabled"), Unread)


@given(st.text())
def test_no_text_makes_it_raise(text):
    thp.parse(text)
