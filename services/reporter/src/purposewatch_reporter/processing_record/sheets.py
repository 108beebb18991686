"""What a record says about each activity, row by row, in the order of the regulators' templates."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from purposewatch_policy import Dimension, Statement
from purposewatch_reporter.processing_record.declarations import OPTIONAL
from purposewatch_reporter.processing_record.details import DEFAULT_HOME, ControllerDetails
from purposewatch_reporter.processing_record.record import (
    Activity,
    ActivityStatus,
    ProcessingRecord,
)
from purposewatch_reporter.processing_record.words import RecordWords, shown_number


class Mark(StrEnum):
    """What stands beside an entry; each but the first has a text below `mark`."""

    NONE = ""
    NEVER_SEEN = "never_seen"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is declared, or that was observed."""

    text: str
    term: str = ""
    """The vocabulary's term, where it is one."""
    note: str = ""
    """How often, or on which grounds."""
    mark: Mark = Mark.NONE
    is_sensitive: bool = False
    """Whether the vocabulary marks the data category as sensitive."""


@dataclass(frozen=True, slots=True)
class Row:
    """A field of the template."""

    key: str
    """Its heading is the text below `row`."""
    declared: tuple[Entry, ...]
    observed: tuple[Entry, ...]
    observed_note: str = ""
    """What the events leave open."""
    is_observed: bool = True
    """Whether events can say anything of it."""

    @property
    def seen(self) -> list[Entry]:
        """Return what is declared, without what was never seen."""
        return [each for each in self.declared if each.mark is not Mark.NEVER_SEEN]

    @property
    def never_seen(self) -> list[Entry]:
        """Return what is declared and was never seen."""
        return [each for each in self.declared if each.mark is Mark.NEVER_SEEN]

    @property
    def is_shown(self) -> bool:
        """Whether it is asked for, or has something to say."""
        return self.key in _ASKED_FOR or bool(self.declared or self.observed)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One activity."""

    purpose: str
    purpose_term: str
    role: str
    role_term: str | None
    status: ActivityStatus
    rows: tuple[Row, ...]
    activity: Activity


_TERM_ROWS = (
    (Dimension.DATA_CATEGORY, "data_categories"),
    (Dimension.RECIPIENT, "recipients"),
)
_FURTHER_ROWS = (
    (Dimension.LEGAL_BASIS, "legal_bases"),
    (Dimension.SOURCE, "sources"),
    (Dimension.OPERATION, "operations"),
)
ROWS = (
    "data_subjects",
    "data_categories",
    "recipients",
    "transfers",
    "retention",
    "legal_bases",
    "sources",
    "operations",
    "conditions",
    "grounds",
)
"""The keys of the rows that every sheet has, in their order."""
_ASKED_FOR = ("data_categories", "recipients", "transfers", "retention", "legal_bases")
"""Those that regulators' templates have, so that a document shows where nothing is stated."""


def sheets(record: ProcessingRecord, words: RecordWords, most: int) -> list[Sheet]:
    """Return a sheet for each activity, at most so many."""
    make = _Sheets(record, words)
    return [make.sheet(each) for each in record.activities[:most]]


class _Sheets:
    def __init__(self, record: ProcessingRecord, words: RecordWords) -> None:
        self._words = words
        details = record.details or ControllerDetails()
        self._safeguards = details.safeguards
        self._home = details.home or DEFAULT_HOME
        self._locations = record.compiled.vocabulary.locations if record.compiled else None

    def sheet(self, activity: Activity) -> Sheet:
        words = self._words
        return Sheet(
            purpose=words.label(Dimension.PURPOSE, activity.purpose),
            purpose_term=activity.purpose,
            role=words.role(activity.role),
            role_term=activity.role,
            status=activity.status,
            rows=(
                self._subjects(activity),
                *(self._terms(activity, *each) for each in _TERM_ROWS),
                self._transfers(activity),
                self._retention(activity),
                *(self._terms(activity, *each) for each in _FURTHER_ROWS),
                self._conditions(activity.statements),
                self._grounds(activity),
            ),
            activity=activity,
        )

    def _subjects(self, activity: Activity) -> Row:
        """Roles, and below them the purposes that events named where they are more precise."""
        row = self._terms(activity, Dimension.ROLE, "data_subjects")
        if activity.statements and not row.declared:
            row = replace(row, declared=(Entry(self._words.role(None)),))
        finer = [
            each
            for each in self._observed(activity, Dimension.PURPOSE)
            if each.term != activity.purpose
        ]
        note = self._words.text("finer", purposes=self._words.join(each.text for each in finer))
        return replace(row, observed_note=note if finer else "")

    def _terms(self, activity: Activity, dimension: Dimension, key: str) -> Row:
        is_role = dimension is Dimension.ROLE
        declared = tuple(
            Entry(
                self._words.declared(dimension, each),
                each.term,
                mark=(
                    # events may leave these out, so that what is never seen of them says little
                    Mark.NONE
                    if each.is_seen or not activity.tally.events or dimension in OPTIONAL
                    else Mark.NEVER_SEEN
                ),
                is_sensitive=self._is_sensitive(dimension, each.term),
            )
            for each in activity.declared[dimension]
            if not is_role or each.term == activity.role
        )
        return Row(
            key, declared, self._observed(activity, dimension), self._left_out(activity, dimension)
        )

    def _observed(self, activity: Activity, dimension: Dimension) -> tuple[Entry, ...]:
        return tuple(
            Entry(
                self._words.label(dimension, each.term),
                each.term,
                shown_number(each.events),
                Mark.NONE if each.is_declared or not activity.statements else Mark.UNDECLARED,
                self._is_sensitive(dimension, each.term),
            )
            for each in activity.observed[dimension]
        )

    def _is_sensitive(self, dimension: Dimension, term: str) -> bool:
        return dimension is Dimension.DATA_CATEGORY and self._words.is_sensitive(term)

    def _left_out(self, activity: Activity, dimension: Dimension) -> str:
        count = activity.not_stated.get(dimension, 0)
        if not count:
            return ""
        return self._words.text(
            "left_out", count=shown_number(count), events=shown_number(activity.tally.events)
        )

    def _transfers(self, activity: Activity) -> Row:
        recipients = (Dimension.RECIPIENT, self._safeguards.__contains__)
        locations = (Dimension.LOCATION, self._is_third_country)
        declared, observed = [], []
        for dimension, is_transfer in (locations, recipients):
            row = self._terms(activity, dimension, "transfers")
            declared += [
                self._with_safeguard(each) for each in row.declared if is_transfer(each.term)
            ]
            observed += [
                self._with_safeguard(each) for each in row.observed if is_transfer(each.term)
            ]
        return Row(
            "transfers",
            tuple(declared),
            tuple(observed),
            self._left_out(activity, Dimension.LOCATION),
        )

    def _with_safeguard(self, entry: Entry) -> Entry:
        if entry.mark is Mark.UNDECLARED:
            return entry
        safeguard = self._safeguards.get(entry.term) or self._words.text("no_safeguard")
        return replace(entry, note=self._words.text("safeguard", text=safeguard))

    def _is_third_country(self, location: str) -> bool:
        if self._locations is None or location not in self._locations:
            return location not in self._home
        return not set(self._locations.lineage(location)).intersection(self._home)

    def _retention(self, activity: Activity) -> Row:
        observed: tuple[Entry, ...] = ()
        if activity.retention_days is not None:
            least, most = activity.retention_days
            text = (
                self._words.text("days_between", least=least, most=most)
                if least != most
                else self._words.counted("days", most)
            )
            observed = (Entry(text),)
        limits = [
            [self._words.retention(each)] if each.limits_retention else []
            for each in activity.statements
        ]
        return Row(
            "retention",
            self._of_statements(limits),
            observed,
            self._left_out(activity, Dimension.RETENTION),
        )

    def _conditions(self, statements: Iterable[Statement]) -> Row:
        conditions = [[*self._words.conditions(each)] for each in statements]
        return Row("conditions", self._of_statements(conditions), (), is_observed=False)

    def _of_statements(self, texts: Sequence[Sequence[str]]) -> tuple[Entry, ...]:
        """Return what statements say, and of what not all of them say, that it is so in part."""
        times = Counter(text for of_statement in texts for text in of_statement)
        return tuple(
            Entry(text if count == len(texts) else self._words.text("in_part", text=text))
            for text, count in times.items()
        )

    def _grounds(self, activity: Activity) -> Row:
        clauses = dict.fromkeys(each.clause for each in activity.statements)
        return Row(
            "grounds",
            tuple(Entry(each) for each in clauses),
            tuple(Entry(each) for each in activity.publishers),
        )
