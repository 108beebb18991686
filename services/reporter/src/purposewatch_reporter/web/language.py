"""The languages of the page: one catalogue of texts each, chosen by the reader."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "zh")
DEFAULT = "en"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """The texts of a language by dotted key."""
    source = files("purposewatch_reporter.web") / "texts" / f"{language}.toml"
    return dict(_flat("", tomllib.loads(source.read_text(encoding="utf-8"))))


def _flat(prefix: str, content: Mapping[str, object]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found.extend(_flat(f"{name}.", value))
        else:
            found.append((name, str(value)))
    return found


class Texts:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text with its `{placeholders}` filled in. Raises KeyError for an unknown key."""
        text = self._texts[key]
        return text.format(**values) if values else text

    def maybe(self, key: str) -> str | None:
        """The text, or `None` for an unknown key."""
        return self._texts.get(key)


def choose(cookie: str | None, accepted: str | None) -> str:
    """The reader's own choice, else what the browser prefers most, else English."""
    if cookie in LANGUAGES:
        return cookie
    best, weight = DEFAULT, 0.0
    for part in (accepted or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        try:
            asked = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if name in LANGUAGES and asked > weight:
            best, weight = name, asked
    return best
