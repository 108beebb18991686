"""Count a batch by the rules, in the transaction that records it, and raise what exceeds them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_reporter.counting.active_rules import ActiveRules
from purposewatch_reporter.counting.alert import Exceeded, Matched, raise_exceeded
from purposewatch_reporter.counting.rule import SLICES, Counted, CountedPer, CountingRule
from purposewatch_reporter.counting.windows import windows_over
from purposewatch_reporter.ledger.batches import RuleCounts
from purposewatch_reporter.ledger.tally import VerdictGroup
from purposewatch_reporter.store.counters import (
    Slices,
    add_subjects,
    add_to_slices,
    count_subjects,
    known_counters,
    load_slices,
    lock_counters,
)
from purposewatch_runtime.logs import get_logger

OTHER_PUBLISHERS = "(other)"
"""Stands for all publishers beyond the limit of a rule's counters."""

_KNOWN_COUNTERS = 100_000

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CountingLimits:
    """How much is kept, and for how long."""

    late: timedelta = timedelta(hours=1)
    """An event that ingest accepted later than this after its own time is not counted."""
    subjects: int = 10_000
    """How many distinct data subjects of a window are told apart."""
    counters: int = 1_000
    """Of one rule: controllers times publishers. Further publishers are counted together."""

    def kept(self, rule: CountingRule) -> timedelta:
        """How long a slice is kept after its last change.

        Twice the lateness, because partitions may be read at different paces.
        """
        return 2 * self.late + timedelta(seconds=rule.window_seconds)


class RuleRecorder:
    """Counts what is recorded by the rules, and raises notices.

    INVARIANT: only verdicts about events that were not counted before are given, in the transaction
    that counts them, and counters are locked: so the counts are those of a plain list of all
    events, whatever is killed, repeated, or recorded by another reporter at the same time.
    """

    def __init__(self, rules: ActiveRules, limits: CountingLimits) -> None:
        self._rules = rules
        self._limits = limits
        self._known: set[bytes] = set()
        """Counters that exist; one that was deleted since is made again."""

    async def record(
        self, connection: AsyncConnection, groups: Iterable[VerdictGroup], now: datetime
    ) -> RuleCounts:
        """Count the events of these groups."""
        result = RuleCounts()
        if not self._rules.refresh():
            return result
        counting = self._rules.counting
        found: dict[tuple[str, str, str], Matched] = {}
        for group in groups:
            for rule in counting(group.read.verdict):
                self._take(rule, group, found, result)
        if found:
            await self._count(connection, list(found.values()), now)
        return result

    def _take(
        self,
        rule: CountingRule,
        group: VerdictGroup,
        found: dict[tuple[str, str, str], Matched],
        result: RuleCounts,
    ) -> None:
        """Add a group's events to what its rule counts, unless they are late."""
        example = group.read.verdict
        controller = example.data.controller
        publisher = example.publisher if rule.per is CountedPer.PUBLISHER else ""
        verdicts = [read.verdict for read in group.reads]
        timely = [each for each in verdicts if not self._is_late(each)]
        result.matched[rule.name,] += len(timely)
        result.late[rule.name,] += len(verdicts) - len(timely)
        if timely:
            counted = found.setdefault(
                (rule.name, controller, publisher), Matched(rule, controller, publisher)
            )
            counted.verdicts += timely

    def _is_late(self, verdict: DecodedVerdict) -> bool:
        return verdict.accepted_time - verdict.event_time > self._limits.late

    async def _count(
        self, connection: AsyncConnection, found: Sequence[Matched], now: datetime
    ) -> None:
        counters = await self._bounded(connection, found)
        expires = {name: now + self._limits.kept(each.rule) for name, each in counters.items()}
        rules = {name: each.rule.name for name, each in counters.items()}
        await lock_counters(connection, rules, expires)
        touched = {name: each.by_slice() for name, each in counters.items()}
        slices = await self._load(connection, counters, touched)
        added = await self._add(connection, counters, touched, slices)
        await add_to_slices(connection, added, expires)
        for (name, slice_), count in added.items():
            of_counter = slices.setdefault(name, {})
            of_counter[slice_] = of_counter.get(slice_, 0) + count
        for name, each in sorted(counters.items()):
            exceeded = await self._exceeded(
                connection, each.rule, name, slices.get(name, {}), touched[name]
            )
            if exceeded:
                await raise_exceeded(connection, each, exceeded, now)

    async def _bounded(
        self, connection: AsyncConnection, found: Sequence[Matched]
    ) -> dict[bytes, Matched]:
        """What is counted, by the counters' ids; publishers beyond the limit share one."""
        counters = {each.id: each for each in found}
        if counters.keys() <= self._known:
            return counters
        names = {each.rule.name for each in found}
        known, numbers = await known_counters(connection, counters, names)
        used = Counter(numbers)
        bounded: dict[bytes, Matched] = {}
        for name, each in sorted(counters.items()):
            target = each
            if name not in known and each.publisher:
                used[each.rule.name] += 1
                if used[each.rule.name] > self._limits.counters:
                    _log.warning("too many publishers for a counting rule", rule=each.rule.name)
                    target = Matched(each.rule, each.controller, OTHER_PUBLISHERS)
            kept = bounded.setdefault(target.id, target)
            if target is not each:
                kept.verdicts += each.verdicts
        if len(self._known) > _KNOWN_COUNTERS:
            self._known.clear()
        self._known |= bounded.keys()
        return bounded

    @staticmethod
    async def _load(
        connection: AsyncConnection,
        counters: Mapping[bytes, Matched],
        touched: Mapping[bytes, Mapping[int, object]],
    ) -> Slices:
        """The slices of every window that the batch touches. Slices of rules differ in length."""
        by_length: defaultdict[int, list[bytes]] = defaultdict(list)
        for name, each in counters.items():
            by_length[each.rule.slice_seconds].append(name)
        found: Slices = {}
        for names in by_length.values():
            numbers = [number for name in names for number in touched[name]]
            first, last = min(numbers) - SLICES + 1, max(numbers) + SLICES - 1
            found |= await load_slices(connection, names, first, last)
        return found

    async def _add(
        self,
        connection: AsyncConnection,
        counters: Mapping[bytes, Matched],
        touched: Mapping[bytes, Mapping[int, Sequence[DecodedVerdict]]],
        slices: Slices,
    ) -> Mapping[tuple[bytes, int], int]:
        """How much each slice grows. A slice with enough subjects takes no more of them."""
        added: Counter[tuple[bytes, int]] = Counter()
        subjects: set[tuple[bytes, int, bytes]] = set()
        for name, each in counters.items():
            for slice_, verdicts in touched[name].items():
                if each.rule.counted is Counted.EVENTS:
                    added[name, slice_] += len(verdicts)
                elif each.rule.counted is Counted.ACCESSES:
                    added[name, slice_] += sum(verdict.count for verdict in verdicts)
                elif slices.get(name, {}).get(slice_, 0) < self._limits.subjects:
                    digests = {_digest(verdict.subject) for verdict in verdicts}
                    subjects.update((name, slice_, digest) for digest in digests)
        added.update(await add_subjects(connection, subjects))
        return added

    async def _exceeded(
        self,
        connection: AsyncConnection,
        rule: CountingRule,
        counter: bytes,
        slices: Mapping[int, int],
        touched: Mapping[int, object],
    ) -> Sequence[Exceeded]:
        """The windows over the threshold that the batch has touched."""
        exceeded = []
        for first, total in windows_over(slices, touched.keys(), rule.more_than):
            count, is_bound = total, False
            if rule.counted is Counted.SUBJECTS:
                most = self._limits.subjects
                last = first + SLICES - 1
                count = await count_subjects(connection, counter, first, last, most=most)
                is_bound = count >= most
            if count > rule.more_than:
                exceeded.append(Exceeded(first, count, is_bound))
        return exceeded


def _digest(subject: str) -> bytes:
    return hashlib.blake2b(subject.encode(), digest_size=16).digest()
