"""A record as a document in one language: what every format shows, in its order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from purposewatch_policy import Dimension
from purposewatch_policy.languages import explanation_texts
from purposewatch_reporter.processing_record.details import (
    DEFAULT_HOME,
    ControllerDetails,
    Party,
)
from purposewatch_reporter.processing_record.record import (
    Activity,
    ActivityStatus,
    FlowKey,
    ProcessingRecord,
    Tally,
    UndeclaredFlow,
)
from purposewatch_reporter.processing_record.sheets import Sheet, sheets
from purposewatch_reporter.processing_record.words import RecordWords, shown_number, shown_time


@dataclass(frozen=True, slots=True)
class NeverSeen:
    """A statement that covers no flow that was seen."""

    statement: str
    clause: str
    purposes: str
    data_categories: str
    recipients: str


@dataclass(frozen=True, slots=True)
class NeverDeclared:
    """A flow that no statement permits."""

    key: FlowKey
    role: str
    data_category: str
    purpose: str
    recipient: str
    operation: str
    kinds: str
    publishers: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class RecordDocument:
    """The parts of a record, in words."""

    words: RecordWords
    record: ProcessingRecord
    name: str
    """Of the controller."""
    facts: tuple[tuple[str, str], ...]
    """Heading and text of what is about the record itself."""
    parties: tuple[tuple[str, tuple[str, ...]], ...]
    """Heading and lines of what the operator states; no line where it is not stated."""
    sheets: Sequence[Sheet]
    more_activities: str
    """Says how many are not listed; empty where all are."""
    never_seen: Sequence[NeverSeen]
    never_declared: Sequence[NeverDeclared]
    more_flows: str
    """As for activities."""
    unattributed: str
    """Says which events are in the totals alone."""
    notes: tuple[str, ...]

    def count(self, status: ActivityStatus) -> int:
        """Return how many activities have a status."""
        return sum(each.status is status for each in self.record.activities)


def document(record: ProcessingRecord, language: str, *, rows: int) -> RecordDocument:
    """Return a record in a language, with at most so many activities and undeclared flows."""
    vocabulary = record.compiled.vocabulary if record.compiled else None
    return _Document(record, RecordWords(language, vocabulary), rows).document()


class _Document:
    def __init__(self, record: ProcessingRecord, words: RecordWords, rows: int) -> None:
        self._record = record
        self._words = words
        self._rows = rows
        self._details = record.details or ControllerDetails()

    def document(self) -> RecordDocument:
        record, words, rows = self._record, self._words, self._rows
        return RecordDocument(
            words=words,
            record=record,
            name=self._name(),
            facts=tuple(self._facts()),
            parties=tuple(self._parties()),
            sheets=sheets(record, words, rows),
            more_activities=self._more("more_activities", record.activities[rows:]),
            never_seen=[*self._never_seen()],
            never_declared=[self._never_declared(each) for each in record.never_declared[:rows]],
            more_flows=self._more("more_flows", record.never_declared[rows:]),
            unattributed=self._unattributed(),
            notes=tuple(self._notes()),
        )

    def _name(self) -> str:
        stated = self._details.controller
        return stated.name if stated else self._record.scope.controller

    def _facts(self) -> Iterator[tuple[str, str]]:
        text, scope = self._words.text, self._record.scope
        yield text("controller_id"), scope.controller
        until = shown_time(scope.until or scope.generated_time)
        yield (
            text("period"),
            text("period_all", until=until)
            if scope.since is None
            else text("period_between", since=shown_time(scope.since), until=until),
        )
        yield text("generated"), shown_time(scope.generated_time)
        yield text("policy"), self._policy()

    def _policy(self) -> str:
        if self._record.compiled is None:
            return self._words.text("no_policy")
        policy = self._record.compiled.policy
        return self._words.text(
            "policy_version",
            title=self._words.text.pick(policy.title) or policy.controller,
            version=policy.version,
            begins=policy.in_force_from.isoformat(sep=" ", timespec="minutes"),
        )

    def _parties(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        text, details = self._words.text, self._details
        for key, parties in (
            ("controller", (details.controller,)),
            ("joint_controllers", details.joint_controllers),
            ("representative", (details.representative,)),
            ("data_protection_officer", (details.data_protection_officer,)),
        ):
            yield text(f"row.{key}"), tuple(_party(each) for each in parties if each)
        yield text("row.security_measures"), details.security_measures

    def _more(self, key: str, left_out: Sequence[Activity | UndeclaredFlow]) -> str:
        if not left_out:
            return ""
        events = sum(each.tally.events for each in left_out)
        return self._words.text(
            key, count=shown_number(len(left_out)), events=shown_number(events), listed=self._rows
        )

    def _never_seen(self) -> Iterator[NeverSeen]:
        words = self._words
        for statement in self._record.never_seen:
            purposes, categories, recipients = (
                words.join(
                    words.label(dimension, each) for each in statement.terms(dimension) or ()
                )
                for dimension in (
                    Dimension.PURPOSE,
                    Dimension.DATA_CATEGORY,
                    Dimension.RECIPIENT,
                )
            )
            yield NeverSeen(statement.id, statement.clause, purposes, categories, recipients)

    def _never_declared(self, flow: UndeclaredFlow) -> NeverDeclared:
        words, key = self._words, flow.key
        kinds = explanation_texts(words.language)
        return NeverDeclared(
            key,
            words.label(Dimension.ROLE, key.role),
            words.label(Dimension.DATA_CATEGORY, key.data_category),
            words.label(Dimension.PURPOSE, key.purpose),
            words.label(Dimension.RECIPIENT, key.recipient),
            words.label(Dimension.OPERATION, key.operation),
            words.join(kinds.maybe(f"kind.{each}") or each for each in flow.kinds),
            ", ".join(flow.publishers),
            flow.tally,
        )

    def _unattributed(self) -> str:
        other, carried = self._record.other.events, self._record.carried.events
        if not other + carried:
            return ""
        return self._words.text(
            "unattributed", other=shown_number(other), carried=shown_number(carried)
        )

    def _notes(self) -> Iterator[str]:
        words = self._words
        for key in ("observed", "declared", "activity", "marks"):
            yield words.text(f"notes.{key}")
        home = self._details.home or DEFAULT_HOME
        labels = words.join(words.label(Dimension.LOCATION, each) for each in home)
        yield words.text("notes.third_countries", home=labels)


def _party(party: Party) -> str:
    return f"{party.name}\n{party.contact}" if party.contact else party.name
