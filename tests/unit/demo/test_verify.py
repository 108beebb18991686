"""The ledger compared with what was sent."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from purposewatch_contract import ErrorClass
from purposewatch_demo.account import Account, PartitionLedgerReport, ServiceState
from purposewatch_demo.deliver import Deliveries
from purposewatch_demo.tally import DeadLettered, Recorded, Rejected, Repeated, Unforeseen
from purposewatch_demo.verify import Settling, faults
from purposewatch_policy import Kind, Outcome


def deliveries() -> Deliveries:
    """Ten permitted events, two violations, a repeat, a refusal and a dead letter."""
    sent = Deliveries()
    sent.tally.add([Recorded(Outcome.PERMITTED)] * 10)
    sent.tally.add([Recorded(Outcome.VIOLATION, Kind.PROHIBITED)] * 2)
    sent.tally.add([Repeated(), Rejected(422), DeadLettered(ErrorClass.NOT_JSON)])
    return sent


def ledger(**changes: Any) -> PartitionLedgerReport:
    right: dict[str, Any] = {
        "partition": 0,
        "events": 13,
        "verdicts": 13,
        "dead_letters": 0,
        "unaccounted": 0,
        "pending": 0,
        "duplicates": 1,
        "conflicts": 0,
        "reconciled": True,
    }
    return PartitionLedgerReport(**right | changes)


def account(**changes: Any) -> Account:
    """A ledger that shows just that."""
    right: dict[str, Any] = {
        "at": 1.0,
        "ledger": (ledger(),),
        "outcomes": Counter({"permitted": 10, "violation": 2}),
        "kinds": Counter({"prohibited": 2}),
        "dead_lettered": Counter({"not_json": 1}),
    }
    return Account(**right | changes)


def test_matching_ledger_is_a_success() -> None:
    """Nothing is wrong."""
    assert list(faults(deliveries(), account())) == []


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (account(ledger=()), "no ledger"),
        (account(ledger=(ledger(reconciled=False, pending=3),)), "is not reconciled"),
        (account(ledger=(ledger(reconciled=None),)), "is not reconciled"),
        (account(ledger=(ledger(events=14, verdicts=14),)), "events in the ledger"),
        (account(outcomes=Counter({"permitted": 9})), "permitted: expected 10, found 9"),
        (account(kinds=Counter({"prohibited": 1, "undeclared_role": 1})), "undeclared_role"),
        (account(ledger=(ledger(duplicates=0),)), "duplicates recognised: expected 1, found 0"),
        (account(ledger=(ledger(conflicts=1),)), "ids with other content"),
        (account(dead_lettered=Counter()), "dead letters: not_json"),
        (account(outcomes=Counter({"permitted": 10, "unknown": 1})), "unknown: expected 0"),
    ],
)
def test_each_difference_is_named(found: Account, complaint: str) -> None:
    """The run fails, and says by what."""
    assert complaint in "; ".join(faults(deliveries(), found))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda sent: sent.unexpected.update({"422 no zone": 3}), "3 events were answered"),
        (lambda sent: setattr(sent, "in_doubt", 2), "2 events were given up"),
    ],
)
def test_deliveries_that_went_wrong_fail_the_run(
    spoil: Callable[[Deliveries], object], complaint: str
) -> None:
    """Whatever the ledger says."""
    sent = deliveries()
    spoil(sent)

    assert complaint in "; ".join(faults(sent, account()))


def test_after_a_lost_answer_more_repeats_are_right_and_fewer_are_not() -> None:
    """What was sent again may be there twice; counted it must be once."""
    sent = deliveries()
    more = account(ledger=(ledger(events=15, verdicts=15, duplicates=3),))
    assert list(faults(sent, more)) != []

    sent.resent = 2

    assert list(faults(sent, more)) == []
    assert list(faults(sent, account(ledger=(ledger(duplicates=0),)))) != []


def test_restarted_ingest_may_repeat_itself() -> None:
    """It commits the raw topic's offsets after the events; a crash between repeats them."""
    ingest = ServiceState("ingest", "http://127.0.0.1", answers=True, restarts=1)
    more = account(ledger=(ledger(events=15, verdicts=15, duplicates=3),), services=(ingest,))

    assert list(faults(deliveries(), more)) == []
    auditor = replace(ingest, name="auditor")
    assert list(faults(deliveries(), replace(more, services=(auditor,)))) != []


def test_of_somebodys_own_events_only_the_ledger_is_checked() -> None:
    """Nothing is known of what they should be."""
    sent = Deliveries()
    sent.tally.add([Unforeseen()] * 13)

    assert list(faults(sent, account(dead_lettered=Counter()))) == []
    assert list(faults(sent, account(ledger=(ledger(events=12),), dead_lettered=Counter()))) != []


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_settling_ends_as_soon_as_all_is_well() -> None:
    """Nobody waits for nothing."""
    assert Settling(deliveries(), Clock()).done(account())


def test_settling_waits_while_the_ledger_changes() -> None:
    """A backlog takes the time that it takes; standing still does not."""
    clock = Clock()
    settling = Settling(deliveries(), clock)
    for step in range(10):
        clock.now = step * 20.0
        behind = account(ledger=(ledger(reconciled=False, verdicts=step),))
        assert not settling.done(behind)

    clock.now += 31.0
    assert settling.done(behind)


@pytest.mark.parametrize("found", [0, 1, 3])
def test_contradicted_claims_have_to_be_as_many_as_were_sent(found: int) -> None:
    """A lying publisher that is believed fails the run, as does one that is wrongly accused."""
    sent = deliveries()
    sent.tally.add([Recorded(Outcome.VIOLATION, Kind.CONTRADICTED_CLAIM)] * 2)
    shown = account(
        ledger=(ledger(events=15, verdicts=15),),
        kinds=Counter({"prohibited": 2, "contradicted_claim": found}),
    )

    assert f"contradicted_claim: expected 2, found {found}" in list(faults(sent, shown))
