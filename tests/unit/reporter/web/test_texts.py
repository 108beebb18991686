"""The catalogues of texts."""

import re
from importlib.resources import files

import pytest

from purposewatch_policy import Dimension, Grade, Kind, Outcome
from purposewatch_policy.languages import TAGS, catalogue
from purposewatch_policy.vocabulary import NOUNS, MatchedField
from purposewatch_reporter.findings.triage import Action, Status
from purposewatch_reporter.web.language import choose, page_texts

PACKAGE = "purposewatch_reporter.web"
WEB = files(PACKAGE)


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return set(re.findall(r"\{(\w+)\}", text))


def test_every_language_has_the_same_texts() -> None:
    """With the same placeholders, so that no page fails in one language only."""
    english, chinese = catalogue(PACKAGE, "en"), catalogue(PACKAGE, "zh")

    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert placeholders(text) == placeholders(chinese[key]), key


def test_every_value_of_a_closed_set_has_a_text() -> None:
    """A new kind or status without a text would be shown as its bare name."""
    texts = catalogue(PACKAGE, "en").keys()
    wanted = {
        *(f"kind.{each}" for each in (*Kind, "none", "unknown")),
        *(f"because.{each}" for each in (*Kind, "unknown")),
        *(f"outcome.{each}" for each in Outcome),
        *(f"grade.{each}" for each in Grade),
        *(f"status.{each}" for each in Status),
        *(f"act.{each}" for each in Action),
        *(f"matched.{each}" for each in MatchedField),
        *(f"dimensions.{each}" for each in NOUNS),
        *(f"did.{each}" for each in Action),
        *(f"field.{each}" for each in Dimension),
    }

    assert wanted - texts == set()


def test_every_text_that_a_template_names_is_there_and_the_other_way_round() -> None:
    """Texts that nothing shows are removed."""
    sources = "".join(
        path.read_text()
        for folder in ("templates", "pages", "")
        for path in ((WEB / folder) if folder else WEB).iterdir()
        if path.name.endswith((".html", ".py"))
    )
    named = set(re.findall(r'["\']([a-z_]+\.[a-z_0-9]+)["\']', sources))
    composed = set(re.findall(r'["\']([a-z_]+(?:\.[a-z]+)?\.)["\']', sources))
    unused = {
        key
        for key in catalogue(PACKAGE, "en")
        if not named & {key, key.removesuffix(".one"), key.removesuffix(".other")}
        and not any(key.startswith(prefix) for prefix in composed)
        and key not in ("product", "language_name")
    }

    assert unused == set()
    for key in named:
        if key.partition(".")[0] in {each.partition(".")[0] for each in catalogue(PACKAGE, "en")}:
            assert {key, f"{key}.other"} & catalogue(PACKAGE, "en").keys() or key.endswith(
                (".html", ".css", ".js", ".svg")
            ), key


@pytest.mark.parametrize(
    ("cookie", "accepted", "expected"),
    [
        (None, None, "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "de, en;q=0.4, zh;q=0.6", "zh"),
        (None, "fr", "en"),
        (None, "zh;q=nonsense", "en"),
        ("en", "zh", "en"),
        ("xx", "zh", "zh"),
    ],
)
def test_the_language_is_chosen(cookie: str | None, accepted: str | None, expected: str) -> None:
    """One's own choice first, then the browser's."""
    assert choose(cookie, accepted) == expected
    assert expected in TAGS


def test_an_unknown_text_is_an_error() -> None:
    """It would be a mistake in a template."""
    with pytest.raises(KeyError):
        page_texts("en")("nothing.like_this")
