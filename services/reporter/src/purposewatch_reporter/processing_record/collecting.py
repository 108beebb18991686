"""Collects counts of flows into a record of processing activities."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from purposewatch_policy import CompiledPolicy, Dimension, Outcome
from purposewatch_reporter.flows.flow import DecidedCategory, FlowCount
from purposewatch_reporter.processing_record.declarations import (
    OPTIONAL,
    TERMS,
    ActivityKey,
    Declarations,
)
from purposewatch_reporter.processing_record.details import ControllerDetails
from purposewatch_reporter.processing_record.record import (
    Activity,
    FlowKey,
    ObservedTerm,
    ProcessingRecord,
    Scope,
    StrandKey,
    Tally,
    UndeclaredFlow,
)


@dataclass(slots=True)
class _Seen:
    """What was seen of one activity."""

    tally: Tally = field(default_factory=Tally)
    terms: dict[Dimension, Counter[str]] = field(
        default_factory=lambda: {dimension: Counter() for dimension in TERMS}
    )
    not_stated: Counter[Dimension] = field(default_factory=Counter)
    retention: set[int] = field(default_factory=set)
    publishers: set[str] = field(default_factory=set)

    def add(self, count: FlowCount, tally: Tally) -> None:
        terms = count.flow.terms
        self.tally.add(tally)
        self.publishers.update(count.publishers)
        for dimension, term in (
            (Dimension.ROLE, terms.role),
            (Dimension.PURPOSE, terms.purpose),
            (Dimension.OPERATION, terms.operation),
            (Dimension.RECIPIENT, terms.recipient),
            *((Dimension.DATA_CATEGORY, each) for each in terms.data_categories),
        ):
            self.terms[dimension][term] += count.events
        optional = (terms.source, terms.location, terms.legal_basis)
        for dimension, stated in zip(OPTIONAL, optional, strict=True):
            if stated is None:
                self.not_stated[dimension] += count.events
            else:
                self.terms[dimension][stated] += count.events
        if terms.retention_days is None:
            self.not_stated[Dimension.RETENTION] += count.events
        else:
            self.retention.add(terms.retention_days)


@dataclass(slots=True)
class _Undeclared:
    """What was seen of one flow that no permit covers."""

    tally: Tally = field(default_factory=Tally)
    kinds: set[str] = field(default_factory=set)
    publishers: set[str] = field(default_factory=set)


class RecordCollector:
    """Collects a record from the counts of a controller's flows, in whatever portions they come."""

    def __init__(
        self, scope: Scope, compiled: CompiledPolicy | None, details: ControllerDetails | None
    ) -> None:
        self._scope = scope
        self._compiled = compiled
        self._details = details
        self._declarations = Declarations(compiled)
        self._seen: defaultdict[ActivityKey, _Seen] = defaultdict(_Seen)
        self._undeclared: defaultdict[FlowKey, _Undeclared] = defaultdict(_Undeclared)
        self._strands: defaultdict[StrandKey, Tally] = defaultdict(Tally)
        self._covering = 0
        """The permits that cover a flow that was seen."""
        self._total, self._other, self._carried = Tally(), Tally(), Tally()
        self._publishers: set[str] = set()

    def add(self, counts: Iterable[FlowCount]) -> None:
        """Take further counts."""
        for count in counts:
            tally = _tally(count)
            self._total.add(tally)
            self._publishers.update(count.publishers)
            if count.flow.is_other:
                self._other.add(tally)
            elif count.flow.is_carried:
                self._carried.add(tally)
            else:
                self._add_flow(count, tally)

    def record(self) -> ProcessingRecord:
        """Return the record of what was added so far."""
        return ProcessingRecord(
            scope=self._scope,
            details=self._details,
            compiled=self._compiled,
            activities=self._activities(),
            never_seen=[
                each
                for each in self._declarations.permits
                if not self._declarations.holds(self._covering, each)
            ],
            never_declared=sorted(
                (
                    UndeclaredFlow(
                        key,
                        tuple(sorted(found.kinds)),
                        tuple(sorted(found.publishers)),
                        found.tally,
                    )
                    for key, found in self._undeclared.items()
                ),
                key=lambda each: (-each.tally.events, each.key),
            ),
            strands=self._strands,
            total=self._total,
            other=self._other,
            carried=self._carried,
            publishers=tuple(sorted(self._publishers)),
        )

    def _add_flow(self, count: FlowCount, tally: Tally) -> None:
        terms = count.flow.terms
        key = self._declarations.activity(terms.role, terms.purpose)
        self._seen[key].add(count, tally)
        strand = StrandKey(terms.role, terms.purpose, terms.recipient)
        self._strands[strand].add(tally)
        decided = {each.data_category: each for each in count.categories}
        for category in terms.data_categories:
            flow = FlowKey(terms.role, category, terms.purpose, terms.recipient, terms.operation)
            covering = self._declarations.covering(flow)
            self._covering |= covering
            if not covering:
                self._add_undeclared(flow, count, tally, decided.get(category))

    def _add_undeclared(
        self, flow: FlowKey, count: FlowCount, tally: Tally, decided: DecidedCategory | None
    ) -> None:
        found = self._undeclared[flow]
        found.tally.add(tally)
        found.publishers.update(count.publishers)
        if decided is not None and decided.kind is not None:
            found.kinds.add(decided.kind)

    def _activities(self) -> list[Activity]:
        """What is declared, in file order, then what is not, the most frequent first."""
        declarations = self._declarations
        declared = set(declarations.keys)
        others = sorted(
            (key for key in self._seen if key not in declared),
            key=lambda key: (-self._seen[key].tally.events, key.role or "", key.purpose),
        )
        return [
            self._activity(key)
            for key in (*declarations.keys, *others)
            if key in self._seen or not any(declarations.includes(key, seen) for seen in self._seen)
        ]

    def _activity(self, key: ActivityKey) -> Activity:
        declarations = self._declarations
        seen = self._seen.get(key) or _Seen()
        statements = declarations.about(key)
        return Activity(
            role=key.role,
            purpose=key.purpose,
            statements=statements,
            declared={
                dimension: declarations.declared(statements, dimension, seen.terms[dimension])
                for dimension in TERMS
            },
            observed={
                dimension: tuple(
                    ObservedTerm(term, events, declarations.covers(statements, dimension, term))
                    for term, events in sorted(
                        seen.terms[dimension].items(), key=lambda each: (-each[1], each[0])
                    )
                )
                for dimension in TERMS
            },
            not_stated=dict(seen.not_stated),
            retention_days=((min(seen.retention), max(seen.retention)) if seen.retention else None),
            publishers=tuple(sorted(seen.publishers)),
            tally=seen.tally,
        )


def _tally(count: FlowCount) -> Tally:
    return Tally(
        events=count.events,
        accesses=count.accesses,
        violations=count.events if count.outcome == Outcome.VIOLATION else 0,
        unknown=count.events if count.outcome == Outcome.UNKNOWN else 0,
        first_time=count.first_time,
        last_time=count.last_time,
    )
