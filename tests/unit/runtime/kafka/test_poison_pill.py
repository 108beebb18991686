"""A record that ends every process is found and condemned; no other record ever is."""

import random
from dataclasses import dataclass, field

import pytest

from purposewatch_runtime.kafka.poison_pill import Mark, PoisonPillDetector, Step

SPAN = 200
DEATHS = 3


class Death(Exception):  # noqa: N818 - it is what happens, not an error of the code
    """The process ends here; nothing after this line runs."""


@dataclass
class Partition:
    """A partition with its committed offset and mark, consumed by one process after the other."""

    end: int
    poison: frozenset[int] = frozenset()
    committed: int = 0
    mark: str = ""
    handled: list[int] = field(default_factory=list)
    condemned: list[int] = field(default_factory=list)
    processes: int = 0

    def run(self, *, kill_after: float = float("inf"), fail: frozenset[int] = frozenset()) -> None:
        """Consume to the end as the consumer does, or raise `Death`; `kill_after` counts steps."""
        self.processes += 1
        suspicion = PoisonPillDetector(
            Mark.parse(self.mark),
            self.committed,
            owner=f"p{self.processes}",
            deaths=DEATHS,
            span=SPAN,
        )
        failed: set[int] = set()
        steps = 0
        while self.committed < self.end:
            first = self.committed
            last = min(self.end, first + (suspicion.limit(first) or SPAN))
            mark = suspicion.before(first)
            if mark is not None:
                self.mark = str(mark)
            steps += 1
            if steps > kill_after:
                raise Death
            if suspicion.condemns(first) is not None:
                assert last == first + 1
                self.condemned.append(first)
            else:
                batch = set(range(first, last))
                if batch & self.poison:
                    raise Death
                if batch & (fail - failed):
                    failed |= batch
                    mark = suspicion.survived()
                    self.mark = self.mark if mark is None else str(mark)
                    continue
                self.handled += range(first, last)
            self.committed, self.mark = last, str(suspicion.after(last))
        left = suspicion.closed()
        if left is not None:
            self.mark = str(left[1])


def run_until_done(partition: Partition, most: int = 50) -> None:
    """Start a process again and again until one gets through."""
    for _ in range(most):
        try:
            return partition.run()
        except Death:
            continue
    pytest.fail("it never gets through")


@pytest.mark.parametrize("poison", [0, 1, 31, 32, 150, 199, 200, 555, 999])
def test_poison_is_condemned_wherever_it_stands(poison: int) -> None:
    """One bad record is set aside after few deaths, and every other one is handled once."""
    partition = Partition(1_000, frozenset({poison}))

    run_until_done(partition)

    assert partition.condemned == [poison]
    assert partition.handled == [offset for offset in range(1_000) if offset != poison]
    assert partition.processes <= DEATHS + 3


def test_poisons_side_by_side() -> None:
    """Each of several bad records in one batch is found."""
    partition = Partition(600, frozenset({10, 11, 12, 300, 301}))

    run_until_done(partition)

    assert partition.condemned == [10, 11, 12, 300, 301]


def test_kills_for_other_reasons_condemn_nothing() -> None:
    """Processes killed at random moments, often one after the other, set nothing aside."""
    dice = random.Random(7)  # noqa: S311 - the same kills every time
    for _ in range(300):
        partition = Partition(500)
        while partition.committed < partition.end:
            try:
                partition.run(kill_after=dice.choice([1, 2, 3, 5, 20]))
            except Death:
                continue
        assert partition.condemned == []
        assert partition.handled == list(range(500))


def test_deaths_before_anything_is_in_hand_count_for_nothing() -> None:
    """A process that ends while it starts holds nothing against the record that would be next."""
    partition = Partition(10)
    partition.mark = str(Mark("gone", Step.SINGLE, until=10, alone=DEATHS - 1))
    for number in range(20):
        PoisonPillDetector(
            Mark.parse(partition.mark), 0, owner=str(number), deaths=DEATHS, span=SPAN
        )

    partition.run()

    assert partition.condemned == []


def test_record_that_fails_without_a_death_is_innocent() -> None:
    """What was held against a record is gone once a process has had it in hand and lived."""
    partition = Partition(10)
    partition.mark = str(Mark("gone", Step.SINGLE, until=10, alone=DEATHS - 1))

    partition.run(fail=frozenset({0}))

    assert partition.condemned == []
    assert partition.handled == list(range(10))


def test_condemned_record_stays_so_until_it_is_set_aside() -> None:
    """A process killed before the dead letter was confirmed leaves the judgement to the next."""
    mark = Mark("gone", Step.SINGLE, until=10, alone=DEATHS)
    first = PoisonPillDetector(mark, 4, owner="a", deaths=DEATHS, span=SPAN)
    assert first.condemns(4) == DEATHS
    taken = first.before(4)
    assert taken is not None
    assert first.survived() is None

    assert PoisonPillDetector(taken, 4, owner="b", deaths=DEATHS, span=SPAN).condemns(4) == DEATHS


def test_good_order_lifts_the_suspicion_of_the_last_owner() -> None:
    """After a clean stop the next process works at full speed from the first record on."""
    partition = Partition(SPAN)
    partition.run()

    assert partition.mark == ""
    after = PoisonPillDetector(
        Mark.parse(partition.mark), SPAN, owner="b", deaths=DEATHS, span=SPAN
    )
    assert after.limit(SPAN) is None


def test_death_is_noticed_and_forgotten_behind_the_batch() -> None:
    """One death makes the next process careful for one batch's length, no longer."""
    partition = Partition(SPAN * 4)
    with pytest.raises(Death):
        partition.run(kill_after=2)
    heir = PoisonPillDetector(
        Mark.parse(partition.mark), SPAN * 2, owner="x", deaths=DEATHS, span=SPAN
    )

    assert heir.limit(SPAN * 2) == 32
    assert heir.limit(SPAN * 3) is None


def test_own_mark_is_no_death() -> None:
    """A process that loses a partition and gets it back holds nothing against itself."""
    mark = Mark("me", Step.NORMAL)

    assert PoisonPillDetector(mark, 5, owner="me", deaths=DEATHS, span=SPAN).limit(5) is None


@pytest.mark.parametrize(
    "text",
    [None, "", "x", "[]", "3", '{"step":9}', '{"alone":"many"}', '{"until":1e999}', "[" * 4_000],
)
def test_foreign_metadata_means_nothing(text: str | None) -> None:
    """What another tool has committed is read as no mark at all."""
    assert Mark.parse(text) == Mark()


def test_marks_survive_being_written() -> None:
    """A mark read back is the one written, and fits into Kafka's field with room to spare."""
    mark = Mark("0123456789ab", Step.SINGLE, until=2**62, alone=10**6)

    assert Mark.parse(str(mark)) == mark
    assert len(str(mark)) < 200
