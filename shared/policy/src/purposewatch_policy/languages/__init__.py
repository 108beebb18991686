"""Puts decisions and remedies into words that a compliance officer understands.

A decision carries its English sentence from the start. In another language it is put into words
on demand: `purposewatch_policy.explain` does both.
"""

from collections.abc import Mapping
from types import MappingProxyType

from purposewatch_policy.languages import chinese, english
from purposewatch_policy.languages.catalogue import (
    TAGS,
    Texts,
    catalogue,
    explanation_texts,
    preferred_language,
)
from purposewatch_policy.languages.language import DecisionContext, Language
from purposewatch_policy.languages.retention import retention_words

LANGUAGES: Mapping[str, Language] = MappingProxyType({"en": english, "zh": chinese})
"""The grammar of each of `TAGS`; the texts that need none are in catalogues."""

__all__ = [
    "LANGUAGES",
    "TAGS",
    "DecisionContext",
    "Language",
    "Texts",
    "catalogue",
    "explanation_texts",
    "preferred_language",
    "retention_words",
]
