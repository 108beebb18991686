"""Holds the books against what was sent."""

from collections.abc import Iterator
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
    # An answer that was lost on the way, or a gate that died before it could commit its raw
    # offsets, makes repeats that are right and that nobody can foresee.
    repeats = deliveries.resent > 0 or account.restarts("ingest") > 0
    yield Comparison("events in the books", tally.accepted, account.events, at_least=repeats)
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
        expected, found = tally.dead_letters[error_class], account.set_aside[error_class]
        if expected or found:
            yield Comparison(
                f"dead letters: {error_class}", expected, found, at_least=deliveries.resent > 0
            )


def faults(deliveries: Deliveries, account: Account) -> Iterator[str]:
    """Yield what is wrong, one sentence each; nothing when the run is a success."""
    if not account.books:
        yield "the reporter shows no books"
    elif not account.balanced:
        yield (
            f"the books do not balance: {account.events:,} events, {account.verdicts:,} verdicts, "
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
