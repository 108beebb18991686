"""Lines of the boxes of a picture."""

# ruff: noqa: RUF001 - the Chinese punctuation is intended

import pytest

from purposewatch_policy.flow_map.lines import wrapped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three", ["one two", "three"]),
        ("会员（含合作伙伴）", ["会员（含", "合作伙", "伴）"]),
        ("unbreakable-word", ["unbreakable-word"]),
        ("", [""]),
    ],
)
def test_lines_break_between_words_and_ideographs(text: str, expected: list[str]) -> None:
    """No line begins with a closing mark or ends with an opening one."""
    assert expected == wrapped(text, 60)
