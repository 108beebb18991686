"""The language of the page: chosen by the reader, with a catalogue of texts in `texts`."""

from purposewatch_policy.languages import TAGS, Texts


def page_texts(language: str) -> Texts:
    """Return the page's texts in a language. Raises `KeyError` for an unknown one."""
    return Texts("purposewatch_reporter.web", language)


def choose(cookie: str | None, accepted: str | None) -> str:
    """The reader's own choice, else what the browser prefers most, else English."""
    if cookie in TAGS:
        return cookie
    best, weight = TAGS[0], 0.0
    for part in (accepted or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        try:
            asked = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if name in TAGS and asked > weight:
            best, weight = name, asked
    return best
