"""Tell the records that a service can have written from those that none can. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from purposewatch_reporter.ledger.existence import may_exist
from purposewatch_reporter.ledger.lookups import LogFacts, TopicPartition
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict, suspect
from purposewatch_reporter.ledger.session import LedgerSession, Run, expected_event, runs_of

_MAX_COMPARED = 500
"""Verdicts of a batch that are compared with the log; it takes a fetch for each, at worst."""
_BEYOND = "the record is about an event beyond the end of its log"
_OTHER = "the record is about another event than the log holds at that position"


class SuspectFilter:
    """Separates what can be true of the locked ledgers of a batch from what can't be.

    It notes in `facts` what must be looked up first; until then its answers mean nothing.
    """

    def __init__(
        self, session: LedgerSession, facts: LogFacts, *, now: datetime, rebuilds: bool
    ) -> None:
        self._session = session
        self._facts = facts
        self._now = now
        self._rebuilds = rebuilds
        self._proven: set[int] = set()
        """Partitions whose log holds the event of a verdict of this batch."""

    def separate(self, runs: Iterable[Run]) -> tuple[Sequence[Run], Sequence[DeadLettered]]:
        """The verdicts that an auditor can have written, and dead letters about the others.

        INVARIANT: a verdict about an event that the log never held changes no ledger. A verdict
        that continues the ledger is believed; one that leaves a gap, or is about an event in one,
        must be about the event that the log holds there.
        """
        admitted: list[Run] = []
        suspects: list[DeadLettered] = []
        ends: dict[int, int] = {}
        for run in runs:
            ledger = self._session.of(run[0].verdict.partition, run[0].log_epoch)
            good = run
            if not self._may_exist(ledger, run[-1]):
                good = [item for item in run if self._may_exist(ledger, item)]
                beyond = run[len(good) :]  # offsets ascend in a run
                suspects += [suspect(item, _BEYOND, self._now) for item in beyond]
            others = self._others(ledger, good, ends) if good else ()
            if others:
                suspects += [suspect(item, _OTHER, self._now) for item in others]
                out = {id(item) for item in others}
                admitted += runs_of([item for item in good if id(item) not in out])
            elif good:
                admitted.append(good)
        return admitted, suspects

    def _may_exist(self, ledger: PartitionLedger, item: ReadVerdict) -> bool:
        verdict = item.verdict
        if verdict.offset < ledger.end:  # said here as well because most are
            return True
        return may_exist(
            (self._session.topic, verdict.partition),
            ledger,
            verdict.offset,
            self._facts,
            now=self._now,
            rebuilds=self._may_be_gone(verdict.partition),
            own_offset=item.record.offset,
        )

    def _others(self, ledger: PartitionLedger, run: Run, ends: dict[int, int]) -> Run:
        """The verdicts of a run that are about other events than the log holds.

        `ends` says where the current ledgers end once the runs before this one are recorded.
        """
        if ledger.ended_time is not None:
            return ()
        partition, first = run[0].verdict.partition, run[0].verdict.offset
        end = ends.get(partition, ledger.accounted.end)
        continues = end if ledger.fingerprint.first is not None else -1
        if first != continues:
            new = [item for item in run if item.verdict.offset not in ledger.accounted]
            if new and new[0].verdict.offset != continues and self._is_other(new[0]):
                others = [item for item in new if self._is_other(item)]
                if self._is_proven((self._session.topic, partition), ledger):
                    return others
        ends[partition] = max(end, first + len(run))
        return ()

    def _is_other(self, item: ReadVerdict) -> bool:
        facts, expected = self._facts, expected_event(item)
        asked = len(facts.records) + len(facts.missing.records)
        if expected not in facts.records and asked >= _MAX_COMPARED:
            return False
        if facts.holds(expected):
            self._proven.add(expected.partition)
        return facts.holds_other(expected) is True

    def _is_proven(self, key: TopicPartition, ledger: PartitionLedger) -> bool:
        """Whether the log is the one of the ledger, so that what differs from it is wrong."""
        self._facts.require_recognised([key])
        is_known = ledger.fingerprint.first is not None or not self._may_be_gone(key[1])
        return key in self._facts.recognised and is_known

    def _may_be_gone(self, partition: int) -> bool:
        """Whether the log of a ledger that is still empty may be gone."""
        return self._rebuilds and partition not in self._proven

    def separate_letters(
        self, letters: Iterable[DeadLettered]
    ) -> tuple[list[DeadLettered], list[DeadLettered]]:
        """The dead letters about events that their log can have held, and letters about others."""
        admitted: list[DeadLettered] = []
        suspects: list[DeadLettered] = []
        for item in letters:
            origin = item.origin
            if may_exist(
                (origin.topic, origin.partition),
                self._session.of(origin.partition, item.log_epoch),
                origin.offset,
                self._facts,
                now=self._now,
                rebuilds=self._rebuilds,
            ):
                admitted.append(item)
            else:
                suspects.append(suspect(item, _BEYOND, self._now))
        return admitted, suspects
