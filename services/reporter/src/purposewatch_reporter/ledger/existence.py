"""Whether the position that a record names can exist in its log. Pure."""

from datetime import datetime, timedelta
from typing import Protocol

from purposewatch_reporter.ledger.fingerprint import LogFingerprint
from purposewatch_reporter.ledger.lookups import LogFacts, TopicPartition

MAX_AHEAD = 100_000
"""How far beyond the known end of a log that is gone a record about it may speak.

The last seconds of such a log may never have been seen, and what a stopped reporter finds unread
is about records that it never saw at all.
"""
LATE = timedelta(days=1)
"""How long after a log was found to be gone records about its unseen end are believed."""


class Epoch(Protocol):
    """The ledger of one log epoch: see `PartitionLedger` and `RawLedger`."""

    @property
    def end(self) -> int:
        """One above the highest offset that it knows of."""

    @property
    def fingerprint(self) -> LogFingerprint:
        """What its log is recognised by."""

    @property
    def ended_time(self) -> datetime | None:
        """When the next log epoch was started; `None` for the current one."""


def may_exist(  # noqa: PLR0913 - what the answer depends on
    partition: TopicPartition,
    ledger: Epoch,
    offset: int,
    facts: LogFacts,
    *,
    now: datetime,
    rebuilds: bool,
    own_offset: int = 0,
) -> bool:
    """Whether the log of this log epoch can have held a record at that offset.

    The log is asked only beyond what the ledger knows of it. Beyond its end as well, it must be
    recognised as the log of the ledger before the answer is no. Of a log that is gone nobody knows
    the end for certain: a limited range beyond what was seen of it is believed. While the ledger is
    rebuilt, that may be the log of any epoch of which nothing is recorded yet; `own_offset`, that
    of the record itself, then says how many may have been deleted before it.

    While `facts` lacks something, the answer is yes, and means nothing.
    """
    if offset < ledger.end:
        return True
    if ledger.ended_time is not None:
        return offset < ledger.end + MAX_AHEAD and now < ledger.ended_time + LATE
    if not facts.is_beyond(partition, offset):
        return True
    if partition not in facts.recognised:
        facts.require_recognised([partition])
        return True
    is_near = offset < max(ledger.end, own_offset) + MAX_AHEAD
    return rebuilds and is_near and ledger.fingerprint.first is None
