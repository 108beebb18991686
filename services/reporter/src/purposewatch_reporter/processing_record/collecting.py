"""Collects the flows of a controller into a record of processing activities."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from purposewatch_policy import CompiledPolicy, Dimension, Outcome
from purposewatch_reporter.flows.flow import FlowOutline, Sum
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

_ROLE, _PURPOSE, _OPERATION, _RECIPIENT, _CATEGORY = (
    *(Dimension.ROLE, Dimension.PURPOSE, Dimension.OPERATION, Dimension.RECIPIENT),
    Dimension.DATA_CATEGORY,
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

    def add(self, flow: FlowOutline[Sum], tally: Tally) -> None:
        events = tally.events
        self.tally.add(tally)
        self.publishers.update([part.publisher for part in flow.amounts])
        terms = self.terms
        terms[_ROLE][flow.role] += events
        terms[_PURPOSE][flow.purpose] += events
        terms[_OPERATION][flow.operation] += events
        terms[_RECIPIENT][flow.recipient] += events
        for category in flow.data_categories:
            terms[_CATEGORY][category] += events
        optional = (flow.source, flow.location, flow.legal_basis)
        for dimension, stated in zip(OPTIONAL, optional, strict=True):
            if stated is None:
                self.not_stated[dimension] += events
            else:
                terms[dimension][stated] += events
        if flow.retention_days is None:
            self.not_stated[Dimension.RETENTION] += events
        else:
            self.retention.add(flow.retention_days)


@dataclass(slots=True)
class _Undeclared:
    """What was seen of one flow that no permit covers."""

    tally: Tally = field(default_factory=Tally)
    kinds: set[str] = field(default_factory=set)
    publishers: set[str] = field(default_factory=set)


class RecordCollector:
    """Collects a record from outlines of a controller's flows, in whatever portions they come."""

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

    def add(self, outlines: Iterable[FlowOutline[Sum]]) -> None:
        """Take further flows."""
        for each in outlines:
            tally = _tally(each)
            self._total.add(tally)
            self._publishers.update([part.publisher for part in each.amounts])
            if each.is_other:
                self._other.add(tally)
            elif each.is_carried:
                self._carried.add(tally)
            else:
                self._add_flow(each, tally)

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

    def _add_flow(self, flow: FlowOutline[Sum], tally: Tally) -> None:
        key = self._declarations.activity(flow.role, flow.purpose)
        self._seen[key].add(flow, tally)
        self._strands[StrandKey(flow.role, flow.purpose, flow.recipient)].add(tally)
        undeclared = []
        for category in flow.data_categories:
            stated = FlowKey(flow.role, category, flow.purpose, flow.recipient, flow.operation)
            covering = self._declarations.covering(stated)
            self._covering |= covering
            if not covering:
                undeclared.append(stated)
        if undeclared:
            self._add_undeclared(undeclared, flow, tally)

    def _add_undeclared(
        self, undeclared: Iterable[FlowKey], flow: FlowOutline[Sum], tally: Tally
    ) -> None:
        kinds = {each.data_category: each.kind for each in flow.categories}
        for stated in undeclared:
            found = self._undeclared[stated]
            found.tally.add(tally)
            found.publishers.update([part.publisher for part in flow.amounts])
            kind = kinds.get(stated.data_category)
            if kind is not None:
                found.kinds.add(kind)

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


def _tally(flow: FlowOutline[Sum]) -> Tally:
    amounts = flow.amounts
    events = sum([part.events for part in amounts])
    return Tally(
        events=events,
        accesses=sum([part.accesses for part in amounts]),
        violations=events if flow.outcome == Outcome.VIOLATION else 0,
        unknown=events if flow.outcome == Outcome.UNKNOWN else 0,
        first_time=min([part.first_time for part in amounts]),
        last_time=max([part.last_time for part in amounts]),
    )
