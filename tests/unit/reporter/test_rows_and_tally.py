"""What a verdict becomes: rows and counts."""

from datetime import UTC, datetime
from typing import Any

from purposewatch_reporter.booking.identity import place_id
from purposewatch_reporter.booking.read import ReadVerdict, read_verdict
from purposewatch_reporter.booking.rows import category_rows, violation_row
from purposewatch_reporter.booking.tally import tally
from purposewatch_shared.verdict import Position
from tests.unit.reporter.records import PREFIX, record, verdict

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def read(value: dict[str, Any]) -> ReadVerdict:
    """The verdict as the bookkeeper sees it."""
    found = read_verdict(record("t", 0, 0, value), events_topic=f"{PREFIX}.events", now=NOW)
    assert isinstance(found, ReadVerdict)
    return found


def test_the_summary_is_the_sentence_of_the_deciding_category() -> None:
    """Not that of the first category, which may have been permitted."""
    value = verdict(outcome="violation", categories={"user.a": "permitted", "user.b": "violation"})
    row = violation_row(read(value), NOW)
    assert row["summary"] == "`user.b` is violation."
    assert (row["grade"], row["kind"]) == ("omitted", "undeclared_purpose")


def test_only_categories_that_were_not_permitted_are_listed() -> None:
    """A filter by category finds what is wrong with that category."""
    value = verdict(outcome="violation", categories={"user.a": "permitted", "user.b": "violation"})
    assert [row["data_category"] for row in category_rows(read(value))] == ["user.b"]


def test_counts_go_by_the_hour_of_the_event_in_utc() -> None:
    """Whatever zone the publisher wrote."""
    counted = tally([read(verdict(event_time="2026-03-02T00:30:00+05:30"))])
    [(key, count)] = counted.events.items()
    assert (key[0], count) == (datetime(2026, 3, 1, 19, tzinfo=UTC), 1)


def test_every_category_counts_as_a_decision() -> None:
    """One event, as many decisions as data categories."""
    value = verdict(outcome="violation", categories={"user.a": "permitted", "user.b": "violation"})
    counted = tally([read(value), read(value)])
    assert counted.events.total() == 2
    assert sorted((key[3], key[6], key[7], n) for key, n in counted.decisions.items()) == [
        ("user.a", "permitted", "none", 2),
        ("user.b", "violation", "undeclared_purpose", 2),
    ]


def test_a_place_always_has_the_same_id() -> None:
    """Links and fingerprints survive books that are written again."""
    place = Position(topic="data-access.events", partition=3, offset=1042)
    assert place_id(place) == "73d6d3662da3d8b4537016aa62b6700b"
    assert place_id(place) != place_id(place.model_copy(update={"offset": 1043}))
