"""What an audit of a file found: counts of everything, details of the first findings only."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from purposewatch_cli.check.lines import Event, FaultyLine
from purposewatch_policy import CategoryDecision, Decision, Outcome

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


@dataclass(frozen=True, slots=True)
class Audited:
    """One event with the decision about it."""

    number: int
    """Line in the file, from 1."""
    event: Event
    decision: Decision

    @property
    def deciding(self) -> CategoryDecision:
        """The first data category that made the event's outcome what it is."""
        decision = self.decision
        for category in decision.categories:
            if (category.outcome, category.kind) == (decision.outcome, decision.kind):
                return category
        return decision.categories[0]

    @property
    def what(self) -> str:
        """The flow in a few words."""
        flow = self.event.data
        categories = ", ".join(flow.data_categories)
        return f"{flow.operation} {categories} to {flow.recipient} for {flow.purpose}"

    @property
    def reason(self) -> str:
        """The sentence about the deciding category, and how many more there are like it."""
        alike = sum(each.outcome is self.decision.outcome for each in self.decision.categories) - 1
        more = f" (and {alike} more of its data categories)" if alike else ""
        return f"{self.deciding.sentence}{more}"

    def as_json(self) -> dict[str, JsonValue]:
        """The same for machines, with every data category."""
        decision = self.decision
        flow = self.event.data.model_dump(
            mode="json", exclude={"subject", "subject_id", "count"}, exclude_defaults=True
        )
        return {
            "type": "verdict",
            "line": self.number,
            "id": self.event.id,
            "source": self.event.source,
            "time": self.event.time.isoformat(),
            "flow": flow,
            "accesses": self.event.data.count,
            "outcome": decision.outcome,
            "kind": decision.kind,
            "policy_version": decision.policy_version,
            "policy_digest": decision.policy_digest,
            "categories": [_category(each) for each in decision.categories],
        }


def _category(decision: CategoryDecision) -> JsonValue:
    return {
        "data_category": decision.data_category,
        "outcome": decision.outcome,
        "kind": decision.kind,
        "grade": decision.grade,
        "distance": decision.distance,
        "statement": decision.statement,
        "clause": decision.clause,
        "failed": [
            {
                "dimension": each.dimension,
                "expected": list(each.expected),
                "actual": each.actual,
            }
            for each in decision.failed
        ],
        "sentence": decision.sentence,
    }


def fault_as_json(fault: FaultyLine) -> dict[str, JsonValue]:
    """A line that holds no valid event, for machines."""
    return {
        "type": "fault",
        "line": fault.number,
        "errors": [{"field": each.field, "detail": each.detail} for each in fault.errors],
    }


@dataclass(slots=True)
class Findings:
    """Takes in a file's lines one by one; grows with `keep`, not with the file."""

    keep: int
    """How many findings, and how many faulty lines, are kept in detail."""
    stated_facts: int | None = None
    """How many statements of facts there are; `None` if the events' own facts count."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    accesses: int = 0
    """What the events stand for."""
    kinds: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    kept: list[Audited] = field(default_factory=list)
    kept_faults: list[FaultyLine] = field(default_factory=list)

    def add(self, audited: Audited) -> None:
        """Count an event, and keep it if it is a finding and there is room."""
        decision = audited.decision
        self.outcomes[decision.outcome] += 1
        self.accesses += audited.event.data.count
        if decision.outcome is Outcome.PERMITTED:
            return
        self.kinds[decision.kind or decision.outcome] += 1
        if len(self.kept) < self.keep:
            self.kept.append(audited)

    def add_fault(self, fault: FaultyLine) -> None:
        """Count a line that holds no valid event."""
        self.faults += 1
        if len(self.kept_faults) < self.keep:
            self.kept_faults.append(fault)

    @property
    def events(self) -> int:
        """Events that were decided."""
        return self.outcomes.total()

    @property
    def found(self) -> int:
        """Events that are not permitted."""
        return self.events - self.outcomes[Outcome.PERMITTED]

    @property
    def exit_status(self) -> int:
        """0: all permitted. 1: violations or unknowns. 2: faulty lines, or no event at all."""
        if self.faults or not self.events:
            return 2
        return 1 if self.found else 0

    def as_json(self) -> dict[str, JsonValue]:
        """The summary for machines."""
        return {
            "type": "summary",
            "events": self.events,
            "accesses": self.accesses,
            "outcomes": {each.value: self.outcomes[each] for each in Outcome},
            "kinds": dict(sorted(self.kinds.items())),
            "faults": self.faults,
            "facts": "events" if self.stated_facts is None else "statements",
        }
