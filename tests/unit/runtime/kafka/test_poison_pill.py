"""A record that crashes every process is found and rejected; no other record ever is."""

import random
from dataclasses import dataclass, field

import pytest

from purposewatch_runtime.kafka.poison_pill import BatchSize, PartitionMetadata, PoisonPillDetector

SPAN = 200
MAX_CRASHES = 3


class Crash(Exception):  # noqa: N818 - it is what happens, not an error of the code
    """The process ends here; nothing after this line runs."""


@dataclass
class Partition:
    """A partition with its committed offset and metadata, consumed by one process after another."""

    end: int
    poison: frozenset[int] = frozenset()
    committed: int = 0
    metadata: str = ""
    handled: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    processes: int = 0

    def run(self, *, kill_after: float = float("inf"), fail: frozenset[int] = frozenset()) -> None:
        """Consume to the end as the consumer does, or raise `Crash`; `kill_after` counts steps."""
        self.processes += 1
        detector = PoisonPillDetector(
            PartitionMetadata.parse(self.metadata),
            self.committed,
            owner=f"p{self.processes}",
            max_crashes=MAX_CRASHES,
            span=SPAN,
        )
        failed: set[int] = set()
        steps = 0
        while self.committed < self.end:
            first = self.committed
            last = min(self.end, first + (detector.limit(first) or SPAN))
            metadata = detector.before(first)
            if metadata is not None:
                self.metadata = str(metadata)
            steps += 1
            if steps > kill_after:
                raise Crash
            if detector.fatal_crashes(first) is not None:
                assert last == first + 1
                self.rejected.append(first)
            else:
                batch = set(range(first, last))
                if batch & self.poison:
                    raise Crash
                if batch & (fail - failed):
                    failed |= batch
                    metadata = detector.survived()
                    self.metadata = self.metadata if metadata is None else str(metadata)
                    continue
                self.handled += range(first, last)
            self.committed, self.metadata = last, str(detector.after(last))
        left = detector.released()
        if left is not None:
            self.metadata = str(left[1])


def run_until_done(partition: Partition, most: int = 50) -> None:
    """Start a process again and again until one gets through."""
    for _ in range(most):
        try:
            return partition.run()
        except Crash:
            continue
    pytest.fail("it never gets through")


@pytest.mark.parametrize("poison", [0, 1, 31, 32, 150, 199, 200, 555, 999])
def test_poison_is_rejected_at_any_offset(poison: int) -> None:
    """One bad record is rejected after few crashes, and every other one is handled once."""
    partition = Partition(1_000, frozenset({poison}))

    run_until_done(partition)

    assert partition.rejected == [poison]
    assert partition.handled == [offset for offset in range(1_000) if offset != poison]
    assert partition.processes <= MAX_CRASHES + 3


def test_poisons_side_by_side() -> None:
    """Each of several bad records in one batch is found."""
    partition = Partition(600, frozenset({10, 11, 12, 300, 301}))

    run_until_done(partition)

    assert partition.rejected == [10, 11, 12, 300, 301]


def test_kills_for_other_reasons_reject_nothing() -> None:
    """Processes killed at random moments, often in a row, reject nothing."""
    dice = random.Random(7)  # noqa: S311 - the same kills every time
    for _ in range(300):
        partition = Partition(500)
        while partition.committed < partition.end:
            try:
                partition.run(kill_after=dice.choice([1, 2, 3, 5, 20]))
            except Crash:
                continue
        assert partition.rejected == []
        assert partition.handled == list(range(500))


def test_crashes_with_nothing_in_flight_do_not_count() -> None:
    """A process that crashes while it starts does not count against the next record."""
    partition = Partition(10)
    partition.metadata = str(
        PartitionMetadata("gone", BatchSize.SINGLE, until=10, crashes=MAX_CRASHES - 1)
    )
    for number in range(20):
        PoisonPillDetector(
            PartitionMetadata.parse(partition.metadata),
            0,
            owner=str(number),
            max_crashes=MAX_CRASHES,
            span=SPAN,
        )

    partition.run()

    assert partition.rejected == []


def test_record_that_fails_without_a_crash_is_cleared() -> None:
    """Earlier crashes do not count once a process has processed the record and survived."""
    partition = Partition(10)
    partition.metadata = str(
        PartitionMetadata("gone", BatchSize.SINGLE, until=10, crashes=MAX_CRASHES - 1)
    )

    partition.run(fail=frozenset({0}))

    assert partition.rejected == []
    assert partition.handled == list(range(10))


def test_rejected_record_stays_rejected_until_it_is_dead_lettered() -> None:
    """When a process is killed before the dead letter is acknowledged, the next rejects it."""
    metadata = PartitionMetadata("gone", BatchSize.SINGLE, until=10, crashes=MAX_CRASHES)
    first = PoisonPillDetector(metadata, 4, owner="a", max_crashes=MAX_CRASHES, span=SPAN)
    assert first.fatal_crashes(4) == MAX_CRASHES
    taken = first.before(4)
    assert taken is not None
    assert first.survived() is None

    assert (
        PoisonPillDetector(taken, 4, owner="b", max_crashes=MAX_CRASHES, span=SPAN).fatal_crashes(4)
        == MAX_CRASHES
    )


def test_clean_stop_ends_the_suspicion() -> None:
    """After a clean stop the next process takes full batches from the first record on."""
    partition = Partition(SPAN)
    partition.run()

    assert partition.metadata == ""
    after = PoisonPillDetector(
        PartitionMetadata.parse(partition.metadata),
        SPAN,
        owner="b",
        max_crashes=MAX_CRASHES,
        span=SPAN,
    )
    assert after.limit(SPAN) is None


def test_crash_is_noticed_and_forgotten_behind_the_batch() -> None:
    """After one crash the next process takes small batches for one batch's length, no longer."""
    partition = Partition(SPAN * 4)
    with pytest.raises(Crash):
        partition.run(kill_after=2)
    heir = PoisonPillDetector(
        PartitionMetadata.parse(partition.metadata),
        SPAN * 2,
        owner="x",
        max_crashes=MAX_CRASHES,
        span=SPAN,
    )

    assert heir.limit(SPAN * 2) == 32
    assert heir.limit(SPAN * 3) is None


def test_own_metadata_is_not_a_crash() -> None:
    """A process that loses a partition and gets it back has not crashed."""
    metadata = PartitionMetadata("me", BatchSize.NORMAL)

    assert (
        PoisonPillDetector(metadata, 5, owner="me", max_crashes=MAX_CRASHES, span=SPAN).limit(5)
        is None
    )


@pytest.mark.parametrize(
    "text",
    [None, "", "x", "[]", "3", '{"step":9}', '{"alone":"many"}', '{"until":1e999}', "[" * 4_000],
)
def test_foreign_metadata_is_ignored(text: str | None) -> None:
    """What another tool committed is read as empty metadata."""
    assert PartitionMetadata.parse(text) == PartitionMetadata()


def test_metadata_survives_being_written() -> None:
    """Metadata read back equals what was written, and is far smaller than Kafka's limit."""
    metadata = PartitionMetadata("0123456789ab", BatchSize.SINGLE, until=2**62, crashes=10**6)

    assert PartitionMetadata.parse(str(metadata)) == metadata
    assert len(str(metadata)) < 200
