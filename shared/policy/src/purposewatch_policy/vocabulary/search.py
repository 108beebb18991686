"""Finds the terms of a vocabulary by words that a newcomer would use.

Term, labels, synonyms and descriptions of all languages are searched at once. A word of the query
matches a word of a text if they are equal, if it begins it, if both have the same stem, or if it
looks like a misspelling of it. Rare words count more than frequent ones, and words that no term
knows hardly count: "the bank itself" is meant to find what "itself" does.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from math import log

from purposewatch_policy.vocabulary.model import TermEntry, Vocabulary
from purposewatch_policy.vocabulary.words import words_of

MAX_QUERY_LENGTH = 100
"""Longer queries are cut here; it bounds the time of a search."""

_MAX_WORDS = 8
_LEAST_SCORE = 0.3
_LEAST_SHARE = 0.5
"""Matches that score less than this share of the best are noise."""
_UNKNOWN = 0.2
"""What a word that no searched term knows counts, as a share of the rarest word."""

_BEGINNING = 0.85
_SAME_STEM = 0.75
_SHORTEST_STEM = 5
_LONGEST_ENDING = 7
_MISSPELT = 0.8
"""The least similarity of a misspelling, and what it counts at most."""
_SHORTEST_MISSPELT = 4
_LENGTH_TOLERANCE = 2
_LAST_CHARACTER = "\U0010ffff"


class MatchedField(StrEnum):
    """Which text of a term matched."""

    TERM = "term"
    LABEL = "label"
    SYNONYM = "synonym"
    DESCRIPTION = "description"


_WEIGHTS = {
    MatchedField.LABEL: 1.0,
    MatchedField.SYNONYM: 0.97,
    MatchedField.TERM: 0.9,
    MatchedField.DESCRIPTION: 0.6,
}


@dataclass(frozen=True, slots=True)
class TermMatch:
    """A term that a query may mean, and the text by which it was found."""

    dimension: str
    """The name that vocabulary files give the dimension, for example `data_categories`."""
    entry: TermEntry
    score: float
    """How well it matches, above 0 and at most 1."""
    matched: MatchedField
    text: str
    language: str | None
    """The language of `text`; `None` for the term itself."""


@dataclass(frozen=True, slots=True)
class _Text:
    owner: int
    field: MatchedField
    language: str | None
    text: str
    words: tuple[str, ...]


class VocabularySearch:
    """An index of one vocabulary. Immutable by convention; its texts are folded once."""

    __slots__ = ("_occurrences", "_owners", "_texts", "_words")

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Index every term of every dimension."""
        self._owners: list[tuple[str, TermEntry, int]] = []
        self._texts: list[_Text] = []
        self._occurrences: dict[str, set[int]] = defaultdict(set)
        for dimension, taxonomy in vocabulary.taxonomies().items():
            for entry in taxonomy.values():
                depth = len(taxonomy.lineage(entry.term))
                for field, language, text, part in _texts_of(entry):
                    words = words_of(part)
                    for word in words:
                        self._occurrences[word].add(len(self._texts))
                    self._texts.append(_Text(len(self._owners), field, language, text, words))
                self._owners.append((dimension, entry, depth))
        self._words = sorted(self._occurrences)

    def search(
        self, query: str, *, dimension: str | None = None, limit: int = 10
    ) -> tuple[TermMatch, ...]:
        """Return the terms that a query may mean, the best first.

        Of equal matches, the more general term comes first, then the one declared first.
        """
        wanted = words_of(query[:MAX_QUERY_LENGTH])[:_MAX_WORDS]
        qualities = [self._qualities(word, dimension) for word in dict.fromkeys(wanted)]
        rarities = [self._rarity(by_text) for by_text in qualities]
        matches = [
            (self._owners[owner][2], self._match(owner, texts, qualities, rarities))
            for owner, texts in self._by_owner(qualities).items()
        ]
        least = max(
            _LEAST_SCORE, _LEAST_SHARE * max((match.score for _, match in matches), default=0.0)
        )
        matches.sort(key=lambda each: (-round(each[1].score, 6), each[0]))
        return tuple(match for _, match in matches if match.score >= least)[:limit]

    def _qualities(self, word: str, dimension: str | None) -> dict[int, float]:
        """Return how well a word of the query matches in each text in which it does."""
        qualities: dict[int, float] = {}
        for known, quality in self._similar(word):
            for text in self._occurrences[known]:
                if dimension in (None, self._owners[self._texts[text].owner][0]):
                    qualities[text] = max(quality, qualities.get(text, 0.0))
        return qualities

    def _similar(self, word: str) -> Iterator[tuple[str, float]]:
        """Yield the indexed words that a word of the query may mean, and how alike they are.

        A word that is in the index is taken as spelt as it was meant.
        """
        if word in self._occurrences:
            yield word, 1.0
        elif len(word) >= _SHORTEST_MISSPELT:
            yield from self._misspelt(word)
        if len(word) > 1:
            stem = word[:_SHORTEST_STEM]
            for known in self._beginning_with(stem):
                if known.startswith(word):
                    if known != word:
                        yield known, _BEGINNING
                elif len(stem) == _SHORTEST_STEM and _have_same_stem(word, known):
                    yield known, _SAME_STEM

    def _beginning_with(self, start: str) -> list[str]:
        first = bisect_left(self._words, start)
        return self._words[first : bisect_left(self._words, start + _LAST_CHARACTER, first)]

    def _misspelt(self, word: str) -> Iterator[tuple[str, float]]:
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(word)  # what is known about the second sequence is kept
        for known in self._words:
            if abs(len(word) - len(known)) <= _LENGTH_TOLERANCE:
                matcher.set_seq1(known)
                if matcher.quick_ratio() >= _MISSPELT and (ratio := matcher.ratio()) >= _MISSPELT:
                    yield known, ratio * _MISSPELT

    def _rarity(self, by_text: Mapping[int, float]) -> float:
        if not by_text:
            return _UNKNOWN * log(1 + len(self._owners))
        best = max(by_text.values())
        owners = {self._texts[text].owner for text, quality in by_text.items() if quality == best}
        return log(1 + len(self._owners) / len(owners))

    def _by_owner(self, qualities: list[dict[int, float]]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for text in sorted(set().union(*qualities)):
            found[self._texts[text].owner].append(text)
        return found

    def _match(
        self,
        owner: int,
        texts: list[int],
        qualities: list[dict[int, float]],
        rarities: list[float],
    ) -> TermMatch:
        covered = [0.0] * len(qualities)
        best, closest = self._texts[texts[0]], 0.0
        for index in texts:
            text = self._texts[index]
            weight = _WEIGHTS[text.field]
            found = [by_text.get(index, 0.0) for by_text in qualities]
            covered = [max(old, weight * new) for old, new in zip(covered, found, strict=True)]
            closeness = weight * min(1.0, sum(found) / len(text.words))
            if closeness > closest:
                best, closest = text, closeness
        share = sum(rarity * each for rarity, each in zip(rarities, covered, strict=True)) / sum(
            rarities
        )
        dimension, entry, _ = self._owners[owner]
        score = share * (0.6 + 0.4 * closest)
        return TermMatch(dimension, entry, score, best.field, best.text, best.language)


def _texts_of(entry: TermEntry) -> Iterator[tuple[MatchedField, str | None, str, str]]:
    """Yield the texts of a term, each with its language and the part of it that is searched."""
    yield MatchedField.TERM, None, entry.term, entry.term
    yield MatchedField.TERM, None, entry.term, entry.term.rpartition(".")[2]
    for language, label in entry.label.items():
        yield MatchedField.LABEL, language, label, label
    for language, synonyms in entry.synonyms.items():
        for synonym in synonyms:
            yield MatchedField.SYNONYM, language, synonym, synonym
    for language, description in entry.description.items():
        yield MatchedField.DESCRIPTION, language, description, description


def _have_same_stem(word: str, known: str) -> bool:
    """Whether two words that begin alike differ in their endings only."""
    common = next(
        (at for at, (one, other) in enumerate(zip(word, known, strict=False)) if one != other),
        min(len(word), len(known)),
    )
    return max(len(word), len(known)) - common <= _LONGEST_ENDING
