"""Records of processing activities from counts of flows."""

from dataclasses import replace
from datetime import timedelta

from purposewatch_policy import CompiledPolicy, Dimension, Effect, Statement
from purposewatch_reporter.processing_record.record import (
    Activity,
    ActivityStatus,
    DeclaredTerm,
    FlowKey,
    ObservedTerm,
    ProcessingRecord,
    StrandKey,
)
from tests.unit.policy.library import STATEMENTS, VOCABULARY, policy
from tests.unit.reporter.processing_record.flow_counts import COUNTS, MARCH, collected, count

ALL = collected(*COUNTS)


def activity(record: ProcessingRecord, role: str | None, purpose: str) -> Activity:
    """The record's only activity of that role and purpose."""
    [found] = [each for each in record.activities if (each.role, each.purpose) == (role, purpose)]
    return found


def test_activities_are_those_that_statements_name_then_those_that_none_does() -> None:
    """In file order, whether or not anything was seen of them; the rest by how often."""
    assert [(each.role, each.purpose, each.status) for each in ALL.activities] == [
        ("reader", "service", ActivityStatus.CONFIRMED),
        ("reader", "service.loans", ActivityStatus.CONFIRMED),
        ("reader", "marketing", ActivityStatus.NEVER_SEEN),
        ("visitor", "service", ActivityStatus.NEVER_SEEN),
        ("reader", "a.purpose.unknown.to.the.vocabulary", ActivityStatus.NEVER_DECLARED),
        ("reader", "research", ActivityStatus.NEVER_DECLARED),
        ("donor", "research", ActivityStatus.NEVER_DECLARED),
    ]


def test_every_event_of_a_known_flow_counts_for_one_activity() -> None:
    """What is beyond the limit or was counted before flows were known is in the total alone."""
    events = sum(each.tally.events for each in ALL.activities)
    assert events == 38
    assert (ALL.total.events, ALL.other.events, ALL.carried.events) == (98, 20, 40)
    assert (ALL.total.violations, ALL.total.unknown, ALL.total.accesses) == (49, 7, 125)
    assert ALL.publishers == ("broker", "desk", "kiosk")


def test_an_activity_shows_what_was_seen_of_it() -> None:
    """Terms with their events, publishers, times, and what events left out."""
    service = activity(ALL, "reader", "service")
    assert (service.tally.events, service.tally.violations) == (16, 2)
    assert service.tally.first_time == MARCH
    assert service.tally.last_time == MARCH + timedelta(days=4, hours=1)
    assert service.publishers == ("broker", "desk", "kiosk")
    assert service.observed[Dimension.DATA_CATEGORY] == (
        ObservedTerm("user.contact", 14, is_declared=True),
        ObservedTerm("user.contact.email", 2, is_declared=True),
        ObservedTerm("user.loans", 2, is_declared=False),
    )
    assert service.observed[Dimension.RECIPIENT] == (
        ObservedTerm("first_party", 14, is_declared=True),
        ObservedTerm("third_party", 2, is_declared=False),
    )
    assert service.not_stated == {
        Dimension.LOCATION: 16,
        Dimension.LEGAL_BASIS: 16,
        Dimension.RETENTION: 16,
    }
    assert service.retention_days is None


def test_what_is_declared_of_an_activity_is_marked_where_nothing_of_it_was_seen() -> None:
    """Something below the declared term counts as seen."""
    loans = activity(ALL, "reader", "service.loans")
    assert [each.id for each in loans.statements] == [
        "readers.contact",
        "readers.courier",
        "readers.loans",
    ]
    assert loans.declared[Dimension.DATA_CATEGORY] == (
        DeclaredTerm("user.contact", (), is_seen=True),
        DeclaredTerm("user.loans", (), is_seen=False),
    )
    assert loans.declared[Dimension.OPERATION] == (
        DeclaredTerm("collect", (), is_seen=False),
        DeclaredTerm("use", (), is_seen=True),
        DeclaredTerm("store", (), is_seen=False),
        DeclaredTerm("share", (), is_seen=True),
    )
    assert loans.tally.accesses == 35
    email = collected(count(data_categories=("user.contact.email",)))
    assert activity(email, "reader", "service").declared[Dimension.DATA_CATEGORY] == (
        DeclaredTerm("user.contact", (), is_seen=True),
    )


def test_retention_is_a_range() -> None:
    """The shortest and the longest that events stated."""
    kept = collected(count(2, retention_days=400), count(retention_days=30), count())
    assert activity(kept, "reader", "service").retention_days == (30, 400)
    assert activity(kept, "reader", "service").not_stated[Dimension.RETENTION] == 1


def test_statements_that_cover_no_flow_were_never_seen() -> None:
    """A purpose below the declared one is covered; a prohibition is not a declared activity."""
    assert [each.id for each in ALL.never_seen] == [
        "readers.loans",
        "readers.news",
        "visitors.wellbeing",
    ]


def test_flows_that_no_permit_covers_were_never_declared() -> None:
    """One data category at a time, the most frequent first, with how they were judged."""
    assert [(each.key, each.tally.events, each.kinds) for each in ALL.never_declared] == [
        (
            FlowKey(
                "reader",
                "user.contact",
                "a.purpose.unknown.to.the.vocabulary",
                "first_party",
                "use",
            ),
            7,
            (),
        ),
        (
            FlowKey("reader", "user.contact", "research", "first_party", "use"),
            6,
            ("undeclared_purpose",),
        ),
        (
            FlowKey("reader", "user.contact.email", "service", "third_party", "share.sell"),
            2,
            ("undeclared_third_party_sharing",),
        ),
        (
            FlowKey("reader", "user.loans", "service", "third_party", "share.sell"),
            2,
            ("undeclared_third_party_sharing",),
        ),
        (
            FlowKey("donor", "user.contact", "research", "first_party", "use"),
            1,
            ("undeclared_role",),
        ),
    ]
    assert ALL.never_declared[2].publishers == ("broker",)


def test_strands_are_whose_data_go_for_what_to_whom() -> None:
    """With what was permitted and what was not, over all data and operations."""
    strand = ALL.strands[StrandKey("reader", "service", "first_party")]
    assert (strand.events, strand.violations) == (14, 0)
    sold = ALL.strands[StrandKey("reader", "service", "third_party")]
    assert (sold.events, sold.violations) == (2, 2)
    assert sum(each.events for each in ALL.strands.values()) == 38


def test_the_same_counts_in_portions_make_the_same_record() -> None:
    """Readers hand them over in the portions in which the database returns them."""
    for portion in (1, 3):
        parts = [COUNTS[at : at + portion] for at in range(0, len(COUNTS), portion)]
        assert collected(*(each for part in parts for each in part)) == ALL


def test_nothing_observed_leaves_what_is_declared() -> None:
    """A controller whose services report nothing yet has a record."""
    record = collected()
    assert {each.status for each in record.activities} == {ActivityStatus.NEVER_SEEN}
    assert len(record.never_seen) == len(STATEMENTS) - 1
    assert (record.total.events, record.never_declared) == (0, [])


def test_nothing_declared_leaves_what_was_observed() -> None:
    """A controller whose policy is gone has one as well."""
    record = collected(*COUNTS, compiled=None)
    assert {each.status for each in record.activities} == {ActivityStatus.NEVER_DECLARED}
    assert sum(each.tally.events for each in record.activities) == 38
    assert record.never_seen == []


def statement(name: str, *purposes: str, without: tuple[str, ...] = ()) -> Statement:
    """A permit of a use of contact details for these purposes, for anybody."""
    return Statement(
        id=name,
        clause=name,
        effect=Effect.PERMIT,
        data_categories=("user.contact",),
        operations=("use",),
        purposes=purposes,
        recipients=("first_party",),
        exceptions={Dimension.PURPOSE: without} if without else {},
    )


def test_a_flow_counts_for_the_most_precise_activity() -> None:
    """The more general one is listed only if something that is not more precise was seen."""
    compiled = CompiledPolicy(
        policy(statement("general", "service"), statement("precise", "service.loans")), VOCABULARY
    )
    precise = collected(count(purpose="service.loans"), compiled=compiled)
    assert [(each.role, each.purpose) for each in precise.activities] == [(None, "service.loans")]
    assert [each.id for each in precise.activities[0].statements] == ["general", "precise"]
    assert precise.never_seen == []
    both = collected(count(purpose="service.loans"), count(), compiled=compiled)
    assert [each.purpose for each in both.activities] == ["service", "service.loans"]


def test_what_a_statement_excepts_is_not_declared() -> None:
    """It is an activity of its own, and the declared one remains."""
    compiled = CompiledPolicy(
        policy(statement("general", "service", without=("service.loans",))), VOCABULARY
    )
    record = collected(count(purpose="service.loans"), compiled=compiled)
    assert [(each.purpose, each.status) for each in record.activities] == [
        ("service", ActivityStatus.NEVER_SEEN),
        ("service.loans", ActivityStatus.NEVER_DECLARED),
    ]
    assert record.activities[0].declared[Dimension.PURPOSE] == (
        DeclaredTerm("service", ("service.loans",), is_seen=False),
    )
    assert [each.id for each in record.never_seen] == ["general"]


def test_a_statement_that_another_covers_may_be_unseen() -> None:
    """Seen is what covers a flow, whichever statement decided about it."""
    twin = replace(STATEMENTS[0], id="readers.twin")
    compiled = CompiledPolicy(policy(STATEMENTS[0], twin), VOCABULARY)
    assert collected(count(), compiled=compiled).never_seen == []
