"""Catalogues of texts."""

import re

import pytest

from purposewatch_policy.languages import TAGS, Texts, catalogue

PACKAGES = (
    "purposewatch_policy.languages",
    "purposewatch_cli.policy.show",
    "purposewatch_reporter.web",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_language_has_the_same_texts(package: str) -> None:
    """With the same placeholders, so that nothing fails in one language only."""
    default = catalogue(package, TAGS[0])
    for language in TAGS[1:]:
        other = catalogue(package, language)
        assert default.keys() == other.keys()
        for key, text in default.items():
            assert _placeholders(text) == _placeholders(other[key]), key


def test_placeholders_are_filled_in() -> None:
    """By name; a count chooses between singular and plural."""
    texts = Texts("purposewatch_policy.languages", "en")

    assert texts("report.clause", clause="members.1") == "clause members.1"
    assert [texts.counted("report.days", count) for count in (1, 2)] == ["1 day", "2 days"]


def test_labels_fall_back_to_the_default_language() -> None:
    """A label in another language than the reader's is not shown."""
    texts = Texts("purposewatch_policy.languages", "zh")

    assert texts.pick({"en": "name", "zh": "名称"}) == "名称"
    assert texts.pick({"en": "name"}) == "name"
    assert texts.pick({"fr": "nom"}) is None


def test_what_is_not_there_is_an_error() -> None:
    """An unknown key or language is a programming error, except in `maybe`."""
    texts = Texts("purposewatch_policy.languages", "en")

    with pytest.raises(KeyError):
        texts("nothing.like_this")
    assert texts.maybe("nothing.like_this") is None
    with pytest.raises(KeyError):
        Texts("purposewatch_policy.languages", "fr")


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w*)\}", text))
