"""The demonstration's traffic."""

import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from purposewatch_contract import ErrorClass, SubmittedEvent, SubmittedFact
from purposewatch_demo.flows import Transport, mismatches, planned_traffic
from purposewatch_demo.tally import DeadLettered, Recorded, Rejected, Repeated, Tally, Unforeseen
from purposewatch_demo.traffic import Batch, Traffic
from purposewatch_policy import Kind, Outcome, load_policies
from purposewatch_policy.vocabulary import load_vocabularies

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def batches(count: int, *, seed: int = 7, largest: int = 30) -> list[Batch]:
    traffic = Traffic(planned_traffic(), seed=seed, largest=largest)
    return [traffic.next(NOW) for _ in range(count)]


def tally_of(sent: list[Batch]) -> Tally:
    tally = Tally()
    for batch in sent:
        tally.add(item.expected for item in batch.items)
    return tally


def test_every_planned_flow_is_what_the_policies_say(pytestconfig: pytest.Config) -> None:
    """Outcome, kind and clause of each flow are the engine's."""
    policies = load_policies(pytestconfig.rootpath / "policies")

    assert list(mismatches(planned_traffic(), policies, NOW)) == []


def test_the_plan_covers_every_role_and_many_kinds() -> None:
    """All five roles occur, permitted and violating, and most kinds of violation."""
    plan = planned_traffic()
    roles = {"member", "member_employee", "mentor", "visitor", "user"}

    assert roles == {flow.flow["role"] for flow in plan.flows if flow.violates is None}
    assert roles == {flow.flow["role"] for flow in plan.flows if flow.violates is not None}
    assert len({flow.violates for flow in plan.flows if flow.violates is not None}) >= 9


def test_the_same_seed_gives_the_same_traffic() -> None:
    """A run can be repeated."""
    assert batches(300) == batches(300)


def test_another_seed_gives_other_events() -> None:
    """Two runs do not collide in their ids."""
    first, second = (
        {
            item.body
            for each in batches(50, seed=seed)
            for item in each.items
            if isinstance(item.expected, Recorded)
        }
        for seed in (1, 2)
    )
    assert set() == first & second


def test_good_events_satisfy_the_contract_and_the_vocabulary(pytestconfig: pytest.Config) -> None:
    """Everything that must be recorded gets through ingest."""
    vocabularies = load_vocabularies(pytestconfig.rootpath / "policies")
    for batch in batches(300):
        for item in batch.items:
            if isinstance(item.expected, Recorded | Repeated):
                event = SubmittedEvent.model_validate_json(item.body, strict=True)
                assert event.source.startswith(f"/{batch.publisher}/")
                assert event.data.controller in vocabularies


def test_repeats_are_events_of_earlier_consignments() -> None:
    """Whoever delivers everything has delivered the original as well."""
    seen: set[bytes] = set()
    repeats = 0
    for batch in batches(500):
        for item in batch.items:
            if isinstance(item.expected, Repeated):
                assert item.body in seen
                repeats += 1
        seen.update(i.body for i in batch.items if isinstance(i.expected, Recorded))
    assert repeats > 10


def test_distinct_events_have_distinct_ids() -> None:
    """Only a repeat has an id that was used before."""
    ids = Counter(
        json.loads(item.body)["id"]
        for each in batches(300)
        for item in each.items
        if isinstance(item.expected, Recorded)
    )
    assert {1} == set(ids.values())


def test_faults_travel_where_they_belong() -> None:
    """Refusals are requests of their own; malformed records only go to the raw topic."""
    for batch in batches(500):
        kinds = {type(item.expected) for item in batch.items}
        if Rejected in kinds:
            assert (len(batch.items), batch.transport) == (1, Transport.SINGLE)
        if DeadLettered in kinds:
            assert batch.transport is Transport.RAW


def test_the_shares_are_those_of_the_plan() -> None:
    """Refusals, malformed records and repeats are as frequent as planned."""
    shares = planned_traffic().shares
    tally = tally_of(batches(3_000))

    assert shares.refused == pytest.approx(tally.rejected.total() / tally.sent, rel=0.05)
    assert shares.malformed == pytest.approx(tally.dead_letters.total() / tally.sent, rel=0.05)
    assert shares.repeated == pytest.approx(tally.repeats / tally.sent, rel=0.25)
    assert 0.03 < tally.outcomes[Outcome.VIOLATION] / tally.sent < 0.12


def test_a_few_seconds_show_every_kind() -> None:
    """The default pace shows every planned kind, refusal and dead letter within seconds."""
    plan = planned_traffic()
    tally = tally_of(batches(500))

    assert {flow.violates for flow in plan.flows if flow.violates} == set(tally.kinds)
    assert {fault.status for fault in plan.refused} == set(tally.rejected)


def test_events_happened_shortly_before() -> None:
    """Times carry a zone and are not ahead of the clock."""
    for batch in batches(50):
        for item in batch.items:
            if isinstance(item.expected, Recorded):
                event = SubmittedEvent.model_validate_json(item.body, strict=True)
                assert event.time <= NOW


def test_a_tally_adds_up() -> None:
    """What was sent is what must be counted, recognised, refused or dead-lettered."""
    tally = Tally()
    tally.add(
        [
            Recorded(Outcome.PERMITTED),
            Recorded(Outcome.VIOLATION, Kind.PROHIBITED),
            Recorded(Outcome.VIOLATION, Kind.PROHIBITED),
            Repeated(),
            Rejected(422),
            DeadLettered(ErrorClass.NOT_JSON),
            Unforeseen(),
        ]
    )

    assert tally.outcomes == {Outcome.PERMITTED: 1, Outcome.VIOLATION: 2}
    assert tally.kinds == {Kind.PROHIBITED: 2}
    assert (tally.distinct, tally.accepted, tally.sent) == (3, 5, 7)


def test_what_events_need_is_stated_with_them() -> None:
    """Before they happen, about a person of their own, by a system with the right to it."""
    plan = planned_traffic()
    subjects: list[str] = []
    values: set[tuple[bool, ...]] = set()
    for batch in batches(600):
        for item in batch.items:
            statements = [
                SubmittedFact.model_validate_json(fact.body, strict=True) for fact in item.facts
            ]
            if not statements:
                continue
            event = SubmittedEvent.model_validate_json(item.body, strict=True)
            subjects.append(event.data.subject_id)
            for stated, fact in zip(statements, item.facts, strict=True):
                assert stated.data.fact in plan.systems[fact.system].states
                assert stated.data.controller == event.data.controller
                assert stated.data.subject_id == event.data.subject_id
                assert stated.effective_from < event.time
            times = [each.effective_from for each in statements]
            assert times == sorted(times) or len({each.data.fact for each in statements}) > 1
            values.add(tuple(each.data.value for each in statements))
        stated_bodies = [fact.body for item in batch.items for fact in item.facts]
        assert sorted(stated_bodies) == sorted(
            body for bodies in batch.facts.values() for body in bodies
        )
    assert len(subjects) == len(set(subjects))
    assert {(True,), (True, False), (True, False, True)} <= values


def test_some_publishers_lie_and_some_have_a_stale_copy() -> None:
    """A claim that nobody ever stated, and one that was withdrawn before the event."""
    contradicted = [
        item
        for batch in batches(600)
        for item in batch.items
        if item.expected == Recorded(Outcome.VIOLATION, Kind.CONTRADICTED_CLAIM)
    ]
    last = {json.loads(item.facts[-1].body)["data"]["value"] for item in contradicted if item.facts}

    assert {bool(item.facts) for item in contradicted} == {True, False}
    assert last == {False}
