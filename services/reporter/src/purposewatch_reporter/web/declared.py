"""The declared policies and their vocabularies, as the page shows them."""

import asyncio
from pathlib import Path

from purposewatch_policy import Dimension, InvalidSourceError, Policy, PolicySet, load_policies
from purposewatch_policy.languages import TAGS
from purposewatch_policy.vocabulary import VocabularySearch
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service import fingerprint

_log = get_logger(__name__)


class DeclaredPolicies:
    """The policies of a directory, read again when its files change.

    Invalid files leave the last valid policies in place. Without any, the page shows bare terms.
    """

    def __init__(self, policies_dir: Path) -> None:
        self._directory = policies_dir
        self._fingerprint: str | None = None
        self.current = PolicySet({}, ())
        self._indexed = self.current
        self._searches: dict[str, VocabularySearch] = {}
        self.is_invalid = False
        """Whether the files on disk are invalid, so that `current` is older than they are."""

    async def refresh(self) -> None:
        """Read the files if they have changed, without blocking the event loop."""
        await asyncio.to_thread(self.read)

    def read(self) -> None:
        """Read the files if they have changed."""
        if not self._directory.is_dir():
            return
        seen = fingerprint(self._directory)
        if seen == self._fingerprint:
            return
        try:
            self.current = load_policies(self._directory)
            self.is_invalid = False
        except InvalidSourceError as error:
            self.is_invalid = True
            _log.warning(
                "policy files invalid; showing the last valid ones",
                errors=len(error.errors),
                first=str(error.errors[0]),
            )
        self._fingerprint = seen

    def search(self, controller: str) -> VocabularySearch:
        """Return the index of a controller's vocabulary; the first search after a reload builds it.

        Raises `KeyError`.
        """
        current = self.current
        if current is not self._indexed:
            self._indexed, self._searches = current, {}
        searches = self._searches
        if controller not in searches:
            searches[controller] = VocabularySearch(current.vocabularies[controller])
        return searches[controller]

    def policies(self) -> list[Policy]:
        """Return every version of every controller, the newest of each first."""
        return [
            compiled.policy
            for controller in self.current.controllers
            for compiled in reversed(self.current.versions(controller))
        ]

    def tried(self) -> list[Policy]:
        """Return the versions in shadow mode of every controller."""
        return [
            candidate.compiled.policy
            for controller in self.current.controllers
            for candidate in self.current.shadows(controller)
            if not candidate.statements
        ]

    def policy(self, controller: str, version: str | None) -> Policy | None:
        """Return the policy of that controller and version, if it is still declared."""
        for each in self.policies():
            if (each.controller, each.version) == (controller, version):
                return each
        return None

    def label(self, controller: str | None, dimension: str, term: str, language: str) -> str | None:
        """Return the term's label in the language, else in English, else `None`.

        Without a controller, or with an unknown one, the first vocabulary that has a label counts.
        """
        vocabularies = self.current.vocabularies
        if dimension not in set(Dimension) - {Dimension.RETENTION}:
            return None
        for name in (controller,) if controller in vocabularies else vocabularies:
            entry = vocabularies[str(name)].taxonomy(Dimension(dimension)).get(term)
            label = entry and (entry.label.get(language) or entry.label.get(TAGS[0]))
            if label and label != term:
                return label
        return None

    def is_sensitive(self, controller: str, category: str) -> bool:
        """Whether the controller's vocabulary marks the data category as sensitive."""
        vocabulary = self.current.vocabularies.get(controller)
        if vocabulary is None or category not in vocabulary.data_categories:
            return False
        return vocabulary.data_categories.is_sensitive(category)
