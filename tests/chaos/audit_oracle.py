"""What the auditors must have made of the events: the pure core's verdict, once or repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purposewatch_contract import EVENTS, VERDICTS, Verdict, topic_name
from purposewatch_policy import decide, load_policies

if TYPE_CHECKING:
    from pathlib import Path

    from purposewatch_policy import Decision
    from tests.chaos.differences import Differences
    from tests.chaos.evidence import Place, Topics
    from tests.chaos.gate_oracle import Passed


class Audited:
    """The expected decisions, and in which order the verdicts came."""

    def __init__(self) -> None:
        self.decisions: dict[Place, Decision] = {}
        self.order: list[Place] = []
        """Places of events in the order of their first verdicts."""
        self.repeats = 0
        self.by_version: dict[str, int] = {}


def check_verdicts(
    passed: Passed, topics: Topics, policies: Path, prefix: str, differences: Differences
) -> Audited:
    """Hold every verdict, repeated ones too, against the core's decision about its event."""
    audited = Audited()
    declared = load_policies(policies)
    for place, event in passed.events.items():
        decision = decide(event.data, event.time, declared)
        audited.decisions[place] = decision
        version = decision.policy_version or "none in force"
        audited.by_version[version] = audited.by_version.get(version, 0) + 1
    seen: set[Place] = set()
    highest: dict[int, int] = {}
    for at, value in sorted(topics[VERDICTS].items()):
        verdict = Verdict.model_validate_json(value)
        place = (verdict.position.partition, verdict.position.offset)
        if verdict.position.topic != topic_name(prefix, EVENTS) or at[0] != place[0]:
            differences.note("verdict in the wrong place", f"{at}: {verdict.position}")
        if place in passed.events:
            _check(place, verdict, passed, audited.decisions[place], differences)
        else:
            differences.note("verdict about no event", f"{verdict.event_id} {place}")
        if place in seen:
            audited.repeats += 1
            continue
        seen.add(place)
        audited.order.append(place)
        if place[1] < highest.get(place[0], -1):
            differences.note("first verdict out of order", f"{verdict.event_id} {place}")
        highest[place[0]] = place[1]
    for place, event in passed.events.items():
        if place not in seen:
            differences.note("event without a verdict", f"{event.source} {event.id} {place}")
    _check_strays(passed, differences)
    return audited


def _check(
    place: Place, verdict: Verdict, passed: Passed, decision: Decision, differences: Differences
) -> None:
    event = passed.events[place]
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
        differences.note("verdict does not say what its event said", f"{event.id} {place}")
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
        differences.note("verdict differs", f"{event.source} {event.id} {place}: {short}")


def _check_strays(passed: Passed, differences: Differences) -> None:
    for place in passed.strays:
        letter = passed.letters.get(("auditor", place))
        if letter is None:
            differences.note("stray record without a dead letter", place)
        elif letter.error_class != "invalid_event":
            differences.note("dead letter of a stray record differs", f"{place}: {letter}")
    for consumer, place in passed.letters:
        if consumer == "auditor" and place not in passed.strays:
            differences.note("good event was set aside", place)
