"""What terms are called, in the reader's language."""

from collections.abc import Mapping
from typing import Any

from purposewatch_policy.vocabulary import Taxonomy, Vocabulary
from purposewatch_reporter.web.declared.policies import DIMENSIONS


class Labels:
    """Labels of the vocabularies' terms; a term without one is shown as it is."""

    def __init__(self, vocabularies: Mapping[str, Vocabulary]) -> None:
        self._vocabularies = vocabularies

    def label(self, controller: str | None, dimension: str, term: str, language: str) -> str | None:
        """The term's label, or `None` when there is none."""
        names = (controller,) if controller in self._vocabularies else tuple(self._vocabularies)
        for name in names:
            found = self._in(self._vocabularies[str(name)], dimension, term, language)
            if found is not None:
                return found
        return None

    def is_sensitive(self, controller: str, category: str) -> bool:
        """Whether the controller's vocabulary marks the data category as sensitive."""
        vocabulary = self._vocabularies.get(controller)
        if vocabulary is None or category not in vocabulary.data_categories:
            return False
        return vocabulary.data_categories.is_sensitive(category)

    def _in(self, vocabulary: Any, dimension: str, term: str, language: str) -> str | None:
        attribute = DIMENSIONS.get(dimension, dimension)
        taxonomy: Taxonomy | None = getattr(vocabulary, attribute, None)
        if taxonomy is None or term not in taxonomy:
            return None
        label = taxonomy.label(term, language)
        return None if label == term else label
