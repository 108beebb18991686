"""Which pattern a name gets its value from."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_connect.mapping import PatternTable

TABLE = PatternTable(
    [
        ("*", "anything"),
        ("portal.*", "portal"),
        ("portal.public.*", "public"),
        ("portal.public.members", "members"),
        ("*.members", "any members"),
        ("portal.public.member?", "one more"),
    ]
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("portal.public.members", "members"),
        ("Portal.Public.Members", "members"),
        ("portal.public.memberx", "one more"),
        ("portal.public.visits", "public"),
        ("portal.audit.visits", "portal"),
        ("crm.members", "any members"),
        ("crm.visits", "anything"),
    ],
)
def test_most_specific_pattern_counts(name: str, value: str) -> None:
    """The exact name, then the pattern with the most characters that are not wildcards."""
    assert value == TABLE.find(name)
    assert value == TABLE.find(name)  # and from the cache


def test_of_equal_patterns_the_first_counts() -> None:
    """The order in the file decides between patterns that are as specific as each other."""
    assert PatternTable([("a*", 1), ("*b", 2)]).find("ab") == 1
    assert PatternTable([("*b", 2), ("a*", 1)]).find("ab") == 2


def test_only_wildcards_are_special() -> None:
    """What other pattern languages give a meaning stands for itself."""
    table = PatternTable([("s3://bucket[1]/a.b", 1), ("x(+)*", 2)])

    assert table.find("s3://bucket[1]/a.b") == 1
    assert table.find("s3://bucket1/a.b") is None
    assert table.find("x(+)y") == 2
    assert table.find("xx") is None


def test_many_wildcards_are_matched_in_time() -> None:
    """No pattern takes time that grows faster than the name."""
    assert PatternTable([("*a" * 8 + "b", 1)]).find("a" * 60) is None


@given(
    st.lists(st.text("ab*?.", min_size=1, max_size=6), min_size=1, max_size=5, unique=True),
    st.text("ab.", max_size=6),
)
def test_matches_as_globs_do(patterns: list[str], name: str) -> None:
    """A name has a value exactly if some glob matches it, and it is the value of one of these."""
    matching = [pattern for pattern in patterns if fnmatchcase(name, pattern)]
    found = PatternTable([(pattern, pattern) for pattern in patterns]).find(name)

    assert (found in matching) if matching else (found is None)
