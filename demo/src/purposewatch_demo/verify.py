"""Compares the ledger with what was sent."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from purposewatch_contract import ErrorClass
from purposewatch_demo.account import Account
from purposewatch_demo.deliver import Deliveries
from purposewatch_policy import Kind, Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number that was expected, beside the one that was found."""

    what: str
    expected: int
    found: int
    at_least: bool = False
    """More may be right: an answer was lost, and what was sent again may be there twice."""

    @property
    def holds(self) -> bool:
        """Whether the two agree."""
        return self.found >= self.expected if self.at_least else self.found == self.expected


def compare(deliveries: Deliveries, account: Account) -> Iterator[Comparison]:
    """Yield every number that can be held against the feed's own."""
    tally = deliveries.tally
    # An answer that was lost, or an ingest that died before it could commit its raw
    # offsets, makes repeats that are right and that nobody can foresee.
    repeats = deliveries.resent > 0 or account.restarts("ingest") > 0
    yield Comparison("events in the ledger", tally.accepted, account.events, at_least=repeats)
    if not tally.unforeseen:
        yield Comparison(
            "permitted", tally.outcomes[Outcome.PERMITTED], account.outcomes[Outcome.PERMITTED]
        )
        for kind in Kind:
            if tally.kinds[kind] or account.kinds[kind]:
                yield Comparison(kind, tally.kinds[kind], account.kinds[kind])
        yield Comparison("unknown", 0, account.outcomes[Outcome.UNKNOWN])
        yield Comparison(
            "duplicates recognised", tally.repeats, account.duplicates, at_least=repeats
        )
    yield Comparison("ids with other content", 0, account.conflicts)
    for error_class in ErrorClass:
        expected, found = tally.dead_letters[error_class], account.dead_lettered[error_class]
        if expected or found:
            yield Comparison(
                f"dead letters: {error_class}", expected, found, at_least=deliveries.resent > 0
            )


def faults(deliveries: Deliveries, account: Account) -> Iterator[str]:
    """Yield what is wrong, one sentence each; nothing when the run is a success."""
    if not account.ledger:
        yield "the reporter shows no ledger"
    elif not account.reconciled:
        yield (
            f"the ledger is not reconciled: {account.events:,} events, "
            f"{account.verdicts:,} verdicts, "
            f"{account.dead_letters:,} dead letters, {account.unaccounted:,} unaccounted, "
            f"{account.pending:,} pending"
        )
    for each in compare(deliveries, account):
        if not each.holds:
            least = "at least " if each.at_least else ""
            yield f"{each.what}: expected {least}{each.expected:,}, found {each.found:,}"
    for answer, events in deliveries.unexpected.items():
        yield f"{events:,} events were answered `{answer}`"
    if deliveries.in_doubt:
        yield f"{deliveries.in_doubt:,} events were given up on without an answer"


_NO_PROGRESS_SECONDS = 30.0
_AT_MOST_SECONDS = 600.0


class Settling:
    """Waits for the ledger to show everything that was sent, while it makes progress."""

    def __init__(self, deliveries: Deliveries, clock: Callable[[], float] = time.monotonic) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._begun = clock()
        self._moved = self._begun
        self._recorded: tuple[object, ...] = ()
        self.last_change: float | None = None
        """When the ledger last changed."""

    def done(self, account: Account) -> bool:
        """Whether everything is as expected, or waiting longer is useless."""
        now = self._clock()
        if account.recorded != self._recorded:
            self._recorded = account.recorded
            self._moved = now
            self.last_change = account.at
        if next(faults(self._deliveries, account), None) is None:
            return True
        return now - self._moved > _NO_PROGRESS_SECONDS or now - self._begun > _AT_MOST_SECONDS
