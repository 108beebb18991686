"""Puts the parts of a record into the words of one language."""

from collections.abc import Iterable
from datetime import UTC, datetime

from purposewatch_policy import Dimension, Statement, Vocabulary
from purposewatch_policy.languages import Texts, explanation_texts, retention_words
from purposewatch_reporter.processing_record.record import DeclaredTerm


class RecordWords:
    """The texts of a record, and the labels of a controller's vocabulary."""

    def __init__(self, language: str, vocabulary: Vocabulary | None) -> None:
        """Raises `KeyError` for an unknown language."""
        self.language = language
        self.text = Texts("purposewatch_reporter.processing_record", language)
        self._vocabulary = vocabulary

    def label(self, dimension: Dimension, term: str) -> str:
        """Return the label of a term; the term itself where the vocabulary lacks it."""
        taxonomy = self._vocabulary and self._vocabulary.taxonomy(dimension)
        return taxonomy.label(term, self.language) if taxonomy and term in taxonomy else term

    def role(self, term: str | None) -> str:
        """Return the label of a role; of `None`, that it may be any."""
        return self.text("any_role") if term is None else self.label(Dimension.ROLE, term)

    def declared(self, dimension: Dimension, declared: DeclaredTerm) -> str:
        """Return the label of a declared term, with what is excepted."""
        label = self.label(dimension, declared.term)
        if not declared.without:
            return label
        without = self.join(self.label(dimension, each) for each in declared.without)
        return self.text("without", term=label, left_out=without)

    def is_sensitive(self, category: str) -> bool:
        """Whether the vocabulary marks a data category as sensitive."""
        if self._vocabulary is None or category not in self._vocabulary.data_categories:
            return False
        return self._vocabulary.data_categories.is_sensitive(category)

    def retention(self, statement: Statement) -> str:
        """Return how long data may be kept under a statement that limits it."""
        return retention_words(statement, explanation_texts(self.language))

    def conditions(self, statement: Statement) -> Iterable[str]:
        """Yield the facts that a statement depends on."""
        for fact, holds in statement.conditions():
            label = self.label(Dimension.FACTS, fact)
            yield self.text("holds" if holds else "holds_not", fact=label)

    def join(self, texts: Iterable[str]) -> str:
        """Return texts in one line."""
        return self.text("joint").join(texts)

    def counted(self, key: str, count: int) -> str:
        """Return a text with a number, in singular or plural."""
        return self.text(f"{key}.{'one' if count == 1 else 'other'}", count=shown_number(count))


def shown_number(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def shown_day(time: datetime | None) -> str:
    """Return the day of a time, in UTC."""
    return "\N{EN DASH}" if time is None else f"{time.astimezone(UTC):%Y-%m-%d}"


def shown_time(time: datetime) -> str:
    """Return a time to the minute, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
