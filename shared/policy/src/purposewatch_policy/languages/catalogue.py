"""Texts in several languages: one TOML catalogue for each, looked up by dotted key.

Everything that people read in their own language comes from such catalogues: explanations here,
headings on the command line, the reporter's page. A package keeps its own in its folder `texts`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

TAGS = ("en", "zh")
"""The languages that every catalogue has, the default first. Labels carry the same tags."""


@cache
def catalogue(package: str, language: str) -> Mapping[str, str]:
    """Return the texts of a package by dotted key. Raises `KeyError` for an unknown language."""
    if language not in TAGS:
        raise KeyError(language)
    source = files(package) / "texts" / f"{language}.toml"
    return dict(_flat("", tomllib.loads(source.read_text(encoding="utf-8"))))


def _flat(prefix: str, content: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", str(value)


def preferred_language(accepted: str | None) -> str:
    """Return the language that an `Accept-Language` header prefers most, else the default one."""
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


class Texts:
    """The texts of one package in one language."""

    def __init__(self, package: str, language: str) -> None:
        """Raises `KeyError` for an unknown language."""
        self.language = language
        self._texts = catalogue(package, language)

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its `{placeholders}` filled in. Raises `KeyError`."""
        text = self._texts[key]
        return text.format(**values) if values else text

    def maybe(self, key: str) -> str | None:
        """Return a text, or `None` for an unknown key."""
        return self._texts.get(key)

    def counted(self, key: str, count: int) -> str:
        """Return the text `KEY.one` or `KEY.other` with `{count}` filled in."""
        return self(f"{key}.{'one' if count == 1 else 'other'}", count=count)

    def pick(self, labels: Mapping[str, str]) -> str | None:
        """Return the label in this language, else in the default one, else `None`."""
        return labels.get(self.language) or labels.get(TAGS[0])


def explanation_texts(language: str) -> Texts:
    """Return what is said around the sentences of an explanation. Raises `KeyError`."""
    return Texts("purposewatch_policy.languages", language)
