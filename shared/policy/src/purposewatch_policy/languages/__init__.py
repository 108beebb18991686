"""Puts decisions and remedies into words that a compliance officer understands.

A decision carries its English sentence from the start. In another language it is put into words
on demand: `purposewatch_policy.explain` does both.
"""

from collections.abc import Mapping
from types import MappingProxyType

from purposewatch_policy.languages import chinese, english
from purposewatch_policy.languages.language import Account, Language

LANGUAGES: Mapping[str, Language] = MappingProxyType({"en": english, "zh": chinese})
"""By language tag, as in labels."""

__all__ = ["LANGUAGES", "Account", "Language"]
