"""What a verdict becomes: rows and counts."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_contract import Position
from purposewatch_reporter.findings.record import Judged, JudgedCategory
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.flows.decided import as_other, decided_flow
from purposewatch_reporter.flows.record import Count, Place
from purposewatch_reporter.ledger.identity import position_id
from purposewatch_reporter.ledger.read import ReadVerdict, VerdictRecords
from purposewatch_reporter.ledger.rows import category_rows, violation_rows
from purposewatch_reporter.ledger.tally import CountKey, VerdictGroup, group_by_flow, tally
from tests.unit.reporter.records import PREFIX, record, verdict

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
FLOW = b"f" * 16


def read_all(*values: dict[str, Any]) -> list[ReadVerdict]:
    """The verdicts as the ledger writer sees them."""
    texts = [json.dumps(value, separators=(",", ":")).encode() for value in values]
    records = [record("t", 0, offset, text) for offset, text in enumerate(texts)]
    good, bad = VerdictRecords(f"{PREFIX}.events").read(records, now=NOW)
    assert bad == []
    return good


def read(value: dict[str, Any]) -> ReadVerdict:
    """The same of a single one."""
    [found] = read_all(value)
    return found


def judged(category: str) -> Judged:
    """The findings' word on a verdict with one category that was not permitted."""
    finding = JudgedCategory("undeclared_purpose", "0" * 32, Severity.LOW, silenced=False)
    return Judged(Severity.LOW, silenced=False, categories={category: finding})


def test_the_summary_is_the_sentence_of_the_deciding_category() -> None:
    """Not that of the first category, which may have been permitted."""
    value = verdict(outcome="violation", categories={"user.a": "permitted", "user.b": "violation"})
    [group] = group_by_flow([read(value)])
    [row] = violation_rows(group, judged("user.b"), FLOW, NOW)
    assert row["summary"] == "`user.b` is violation."
    assert (row["grade"], row["kind"]) == ("omitted", "undeclared_purpose")


def test_only_categories_that_were_not_permitted_are_listed() -> None:
    """A filter by category finds what is wrong with that category."""
    value = verdict(outcome="violation", categories={"user.a": "permitted", "user.b": "violation"})
    fingerprint = judged("user.b")
    [group] = group_by_flow([read(value)])
    rows = violation_rows(group, fingerprint, FLOW, NOW)
    assert [row["data_category"] for row in category_rows(rows, fingerprint)] == ["user.b"]


def counted(groups: Iterable[VerdictGroup]) -> dict[CountKey, Count]:
    """The groups' counts, with a decision for each key."""
    found = tuple(groups)
    places = {}
    for group in found:
        name = repr(group.key).encode()
        places[group.key] = Place(FLOW, ((name, 1),))
    return tally(found, places)


def test_counts_go_by_the_hour_of_the_event_in_utc() -> None:
    """Whatever zone the publisher wrote."""
    found = counted(group_by_flow([read(verdict(event_time="2026-03-02T00:30:00+05:30"))]))
    [(key, count)] = found.items()
    assert (key[0], count.count) == (datetime(2026, 3, 1, 19, tzinfo=UTC), 1)
    assert count.first_time == datetime(2026, 3, 1, 19, tzinfo=UTC)


def test_every_category_is_a_decision_of_its_own() -> None:
    """One event, as many decisions as data categories."""
    value = verdict(outcome="violation", categories={"user.b": "violation", "user.a": "permitted"})
    [first, second] = decided_flow(read(value).verdict).categories
    assert (first.data_category, first.outcome, first.kind) == ("user.a", "permitted", None)
    assert (second.data_category, second.outcome) == ("user.b", "violation")
    assert second.kind == "undeclared_purpose"


@pytest.mark.parametrize(
    ("kind", "is_miss"), [("prohibited_in_part", False), ("undeclared_purpose", True)]
)
def test_prohibition_of_a_part_decides(kind: str, is_miss: bool) -> None:  # noqa: FBT001
    """A statement that lacks a dimension is the nearest miss, unless it prohibits a part."""
    value = verdict(outcome="violation", kind=kind)
    failed = {"dimension": "purpose", "expected": ["marketing.email"], "actual": "marketing"}
    value["categories"][0].update(kind=kind, statement="s.1", clause="s.1", failed=[failed])
    [category] = decided_flow(read(value).verdict).categories
    assert (category.statement, category.is_nearest_miss) == ("s.1", is_miss)


def test_other_counts_the_event_once_and_each_decision() -> None:
    """Whatever the categories: decisions of one kind by one statement are together."""
    outcomes = {"user.a": "permitted", "user.b": "violation", "user.c": "violation"}
    value = verdict(outcome="violation", categories=outcomes)
    [(event, once), *parts] = as_other(decided_flow(read(value).verdict))
    assert (event.outcome, event.categories, once) == ("violation", (), 1)
    assert (event.counts_events, event.counts_categories) == (True, False)
    assert [(part.outcome, number, part.counts_events) for part, number in parts] == [
        ("permitted", 1, False),
        ("violation", 2, False),
    ]
    assert {part.flow.id for part, _ in parts} == {event.flow.id}


def test_a_place_always_has_the_same_id() -> None:
    """Links and fingerprints survive ledger that are written again."""
    position = Position(topic="data-access.events", partition=3, offset=1042)
    assert position_id(position) == "73d6d3662da3d8b4537016aa62b6700b"
    assert position_id(position) != position_id(position.model_copy(update={"offset": 1043}))


@given(
    st.lists(
        st.builds(
            verdict,
            outcome=st.sampled_from(["permitted", "violation", "unknown"]),
            kind=st.sampled_from([None, "prohibited", "undeclared_purpose"]),
            categories=st.sampled_from(
                [{"user.a": "permitted"}, {"user.a": "permitted", "user.b": "violation"}]
            ),
            event_time=st.sampled_from(
                ["2026-03-02T08:59:59Z", "2026-03-02T09:00:00Z", "2026-03-03T08:59:59Z"]
            ),
            publisher=st.sampled_from(["crm", "shop"]),
            role=st.sampled_from(["member", "visitor"]),
            count=st.sampled_from([1, 7, 1_000_000]),
        ),
        max_size=12,
    )
)
def test_what_is_put_together_counts_as_it_would_alone(values: list[dict[str, Any]]) -> None:
    """Verdicts are counted by sort, for speed; one by one they come to the same."""
    found = read_all(*values)
    singly = [group for item in found for group in group_by_flow([item])]
    assert counted(singly) == counted(group_by_flow(found))
    assert sum(group.number for group in group_by_flow(found)) == len(found)


def test_accesses_are_summed_apart_from_events() -> None:
    """A count makes no group of its own."""
    found = read_all(*(verdict(0, offset, count=count) for offset, count in enumerate((1, 250, 3))))
    [group] = group_by_flow(found)
    assert (group.number, group.accesses) == (3, 254)
    [count] = counted([group]).values()
    assert (count.count, count.accesses) == (3, 254)


def test_counts_have_the_times_of_their_earliest_and_latest_event() -> None:
    """Not those of the batch."""
    times = ["2026-03-02T08:30:00Z", "2026-03-02T08:00:01Z", "2026-03-02T08:59:59Z"]
    [group] = group_by_flow(read_all(*(verdict(event_time=time) for time in times)))
    [count] = counted([group]).values()
    assert [count.first_time.second, count.last_time.second] == [1, 59]


def test_values_of_the_ledger_of_facts_make_flows_of_their_own() -> None:
    """The same claim, whether the consent was withdrawn or not."""
    facts = [
        [{"fact": "consent.marketing", "value": value, "since": "2026-03-01T00:00:00Z"}]
        for value in (True, False, True)
    ]
    groups = group_by_flow(read_all(*(verdict(facts=each) for each in facts)))
    assert [group.number for group in groups] == [2, 1]


def test_violation_has_its_accesses_and_its_flow() -> None:
    """As the verdict states them."""
    [group] = group_by_flow([read(verdict(outcome="violation", count=9))])
    [row] = violation_rows(group, judged("user.a"), FLOW, NOW)
    assert (row["accesses"], row["flow_id"]) == (9, FLOW)


def test_equal_flows_and_decisions_are_one_sort() -> None:
    """Otherwise nothing would be gained by it."""
    found = read_all(*(verdict(0, offset) for offset in range(5)))
    assert [group.number for group in group_by_flow(found)] == [5]


def test_verdicts_are_grouped_by_value() -> None:
    """What two codecs decode is equal without being the same objects, and is one group."""
    value = verdict(outcome="violation", categories={"user.a": "permitted", "user.b": "violation"})
    value["data"]["facts"] = {"consent": True, "minor": False}
    reordered = {**value, "data": {**value["data"], "facts": {"minor": False, "consent": True}}}
    found = [read(value), read(reordered)]
    assert found[0].verdict.categories is not found[1].verdict.categories
    assert [group.number for group in group_by_flow(found)] == [2]
