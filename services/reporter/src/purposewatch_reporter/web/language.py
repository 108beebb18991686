"""The language of the page: chosen by the reader, with a catalogue of texts in `texts`."""

from purposewatch_policy.languages import TAGS, Texts, preferred_language


def page_texts(language: str) -> Texts:
    """Return the page's texts in a language. Raises `KeyError` for an unknown one."""
    return Texts("purposewatch_reporter.web", language)


def choose(cookie: str | None, accepted: str | None) -> str:
    """The reader's own choice, else what the browser prefers most, else English."""
    return cookie if cookie in TAGS else preferred_language(accepted)
