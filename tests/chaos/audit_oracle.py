"""The verdicts that the auditors must have written: those of the pure core, once or repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purposewatch_contract import EVENTS, VERDICTS, Verdict, topic_name
from purposewatch_policy import decide, relevant_facts

if TYPE_CHECKING:
    from purposewatch_contract import CanonicalEvent
    from purposewatch_policy import Decision, LedgerValues, PolicySet
    from tests.chaos.differences import Differences
    from tests.chaos.evidence import Position, Topics
    from tests.chaos.fact_oracle import FactOracle
    from tests.chaos.ingest_oracle import Passed


class Audited:
    """The expected decisions, and the order of the verdicts."""

    def __init__(self) -> None:
        self.decisions: dict[Position, Decision] = {}
        self.facts: dict[Position, LedgerValues] = {}
        self.order: list[Position] = []
        """Positions of events in the order of their first verdicts."""
        self.repeats = 0
        self.by_version: dict[str, int] = {}

    def add(self, position: Position, decision: Decision, values: LedgerValues) -> None:
        """Take in a verdict's decision, and the values of facts that it was reached with.

        The first one about an event counts.
        """
        if self.decisions.setdefault(position, decision) is decision:
            self.facts[position] = values
            version = decision.policy_version or "none in force"
            self.by_version[version] = self.by_version.get(version, 0) + 1


def check_verdicts(
    passed: Passed,
    topics: Topics,
    declared: PolicySet,
    prefix: str,
    differences: Differences,
    *,
    facts: FactOracle,
) -> Audited:
    """Compare every verdict, repeated ones too, with the core's decision about its event.

    It is decided with the values of the facts that the verdict names, once they are found right.
    """
    audited = Audited()
    seen: set[Position] = set()
    highest: dict[int, int] = {}
    for at, value in sorted(topics[VERDICTS].items()):
        verdict = Verdict.model_validate_json(value)
        position = (verdict.position.partition, verdict.position.offset)
        if verdict.position.topic != topic_name(prefix, EVENTS) or at[0] != position[0]:
            differences.note("verdict in the wrong partition", f"{at}: {verdict.position}")
        if position in passed.events:
            event = passed.events[position]
            values = facts.check(event, relevant(event, declared), verdict, differences)
            decision = decide(event.data, event.time, declared, values)
            _check(position, verdict, passed, decision, differences)
            audited.add(position, decision, values)
        else:
            differences.note("verdict without an event", f"{verdict.event_id} {position}")
        if position in seen:
            audited.repeats += 1
            continue
        seen.add(position)
        audited.order.append(position)
        if position[1] < highest.get(position[0], -1):
            differences.note("first verdict out of order", f"{verdict.event_id} {position}")
        highest[position[0]] = position[1]
    for position, event in passed.events.items():
        if position not in seen:
            differences.note("event without a verdict", f"{event.source} {event.id} {position}")
    _check_strays(passed, differences)
    return audited


def relevant(event: CanonicalEvent, declared: PolicySet) -> tuple[str, ...]:
    """The facts of the ledger that an event's decision depends on."""
    try:
        compiled = declared.in_force(event.data.controller, event.time)
    except KeyError:
        return ()
    return () if compiled is None else relevant_facts(event.data, compiled)


def _check(
    position: Position,
    verdict: Verdict,
    passed: Passed,
    decision: Decision,
    differences: Differences,
) -> None:
    event = passed.events[position]
    said = (
        verdict.event_id,
        verdict.event_source,
        verdict.event_time,
        verdict.publisher,
        verdict.content_digest,
        verdict.origin,
        verdict.data,
    )
    if said != (
        event.id,
        event.source,
        event.time,
        event.publisher,
        event.contentdigest,
        event.origin,
        event.data,
    ):
        differences.note("verdict differs from its event", f"{event.id} {position}")
    policy = verdict.policy
    found = (
        verdict.outcome,
        verdict.kind,
        policy.version if policy else None,
        policy.digest if policy else None,
        verdict.categories,
    )
    expected = (
        decision.outcome,
        decision.kind,
        decision.policy_version,
        decision.policy_digest,
        decision.categories,
    )
    if found != expected:
        short = f"expected {expected[:3]}, found {found[:3]}"
        differences.note("verdict differs", f"{event.source} {event.id} {position}: {short}")


def _check_strays(passed: Passed, differences: Differences) -> None:
    for position in passed.strays:
        letter = passed.letters.get(("auditor", position))
        if letter is None:
            differences.note("stray record without a dead letter", position)
        elif letter.error_class != "invalid_event":
            differences.note("dead letter of a stray record differs", f"{position}: {letter}")
    for consumer, position in passed.letters:
        if consumer == "auditor" and position not in passed.strays:
            differences.note("valid event was dead-lettered", position)
