"""The state answers as a plain list of statements does, however it came about."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_auditor.facts import environment
from purposewatch_auditor.facts.environment import CorruptStateError, NoSpaceError
from purposewatch_auditor.facts.keys import fact_prefix, microseconds, moment, topic_key
from purposewatch_auditor.facts.records import RecordReader
from purposewatch_auditor.facts.state import FactState, Position, Sample
from purposewatch_contract.codec import DecodedFact, fact_key
from purposewatch_policy import FactStatement, statement_in_force
from purposewatch_runtime.service import FatalError
from tests.harness.facts import (
    CONTROLLER,
    START,
    pseudonym,
    record,
    removing,
    statement,
    stating,
)

FACTS = ("consent.marketing", "consent.marketing.email", "loan.overdue")
HOURS = st.integers(-3, 6)


@pytest.fixture
def state() -> Iterator[FactState]:
    """An empty state with one partition; where there is a disk in memory, on it."""
    memory = "/dev/shm"  # noqa: S108 - a transaction waits for the disk otherwise
    with tempfile.TemporaryDirectory(dir=memory if Path(memory).is_dir() else None) as directory:
        made = FactState(Path(directory), max_partitions=3)
        made.open(0)
        yield made
        made.close()


@dataclass
class PlainList:
    """What a compacted log holds: the last record of each key."""

    statements: dict[bytes, DecodedFact] = field(default_factory=dict)

    def apply(self, fact: DecodedFact, *, removes: bool) -> None:
        """Apply a record."""
        self.statements.pop(fact_key(fact), None)
        if not removes:
            self.statements[fact_key(fact)] = fact

    def answer(self, subject: int, fact: str, at: datetime) -> Any:
        """What is in force, by the policy package's own definition."""
        found = statement_in_force(
            [
                FactStatement(
                    each.value,
                    each.effective_from,
                    each.until,
                    each.time,
                    each.id,
                    each.source,
                    each.evidence,
                )
                for each in self.statements.values()
                if (each.subject, each.fact) == (pseudonym(subject), fact)
            ],
            at,
        )
        if found is None:
            return None
        return found.holds_at(at), found.effective_from, found.until, found.statement


def answer(state: FactState, subject: int, fact: str, at: datetime) -> Any:
    """The same of the state."""
    with state.view() as view:
        prefix = fact_prefix(pseudonym(subject), CONTROLLER, fact)
        found = view.in_force(0, prefix, microseconds(at))
    if found is None:
        return None
    until = None if found.until is None else moment(found.until)
    value = found.value_at(microseconds(at))
    return value, moment(found.since), until, found.statement


def apply(state: FactState, records: Sequence[Any], *, partition: int = 0) -> None:
    """Apply records to the state in one transaction."""
    changes, unreadable = RecordReader().changes(records)
    assert unreadable == []
    offset = records[-1].offset + 1 if records else 0
    state.apply({partition: changes}, {partition: Position(offset)})


STATEMENTS = st.builds(
    statement,
    subject=st.integers(0, 1),
    fact=st.sampled_from(FACTS),
    value=st.booleans(),
    since=HOURS,
    until=st.none() | st.integers(7, 9),
    stated=st.integers(0, 3),
    name=st.sampled_from(["s-1", "s-2", "s-3"]),
    evidence=st.none() | st.just("doc:7"),
)
LOGS = st.lists(st.tuples(STATEMENTS, st.sampled_from([False, False, False, True])), max_size=25)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(log=LOGS, cuts=st.lists(st.integers(0, 25), max_size=4), data=st.data())
def test_the_state_answers_as_a_plain_list(
    state: FactState, log: list[tuple[DecodedFact, bool]], cuts: list[int], data: st.DataObject
) -> None:
    """Corrections, expiry, repeats, tombstones, replays of a suffix; in any order and batches."""
    state.clear(0)
    records = [
        removing(fact, offset) if removes else stating(fact, offset)
        for offset, (fact, removes) in enumerate(log)
    ]
    plain = PlainList()
    for fact, removes in log:
        plain.apply(fact, removes=removes)
    start = 0
    for cut in [*sorted(cuts), len(records)]:
        apply(state, records[start:cut])
        start = data.draw(st.integers(0, min(cut, len(records)))) if cut else 0
    apply(state, records[start:])

    asked = [
        (subject, fact, START + timedelta(hours=hour, microseconds=shift))
        for subject in range(2)
        for fact in FACTS
        for hour in range(-4, 10)
        for shift in (-1, 0)
    ]
    assert [plain.answer(*each) for each in asked] == [answer(state, *each) for each in asked]


def test_a_suffix_is_replayed_from_anywhere(state: FactState) -> None:
    """After a crash, records are applied again whose effect is already there."""
    first = statement(value=True, name="s-1")
    again = statement(value=False, name="s-1", stated=2)
    records = [stating(first, 0), removing(first, 1), stating(again, 2)]

    apply(state, records)
    apply(state, records)

    assert answer(state, 0, "consent.marketing", START) == (False, START, None, "s-1")


def test_positions_are_written_with_the_statements(tmp_path: Path) -> None:
    """After a restart, the position is that of the last transaction, with its samples."""
    state = FactState(tmp_path, max_partitions=2)
    assert state.open(0) is None
    changes, _ = RecordReader().changes([stating(statement(), 6)])
    position = Position(7, (Sample(6, "ab", 1),), 12.5)
    state.apply({0: changes}, {0: position})
    state.close()

    again = FactState(tmp_path, max_partitions=2)

    assert (again.open(0), again.open(1)) == (position, None)
    assert answer(again, 0, "consent.marketing", START) == (True, START, None, "s-1")
    again.close()


def test_a_cleared_partition_leaves_the_others(state: FactState) -> None:
    """Restoring one partition touches no other."""
    state.open(1)
    for partition in (0, 1):
        apply(state, [stating(statement(), 0)], partition=partition)

    state.clear(0)

    assert (state.open(0), state.open(1)) == (None, Position(1))
    with state.view() as view:
        prefix = fact_prefix(pseudonym(0), CONTROLLER, "consent.marketing")
        found = [view.in_force(each, prefix, microseconds(START)) for each in (0, 1)]
    assert [each is None for each in found] == [True, False]


def test_the_key_in_the_topic_follows_from_the_key_in_the_state(state: FactState) -> None:
    """A tombstone needs nothing but the key."""
    facts = [statement(name=f"s-{n}", since=n - 2, subject=n % 2) for n in range(5)]
    apply(state, [stating(fact, offset) for offset, fact in enumerate(facts)])

    with state.view() as view:
        keys = {topic_key(key) for key in view.keys_after(0, b"", 10)}

    assert keys == {fact_key(fact) for fact in facts}


def test_records_that_are_no_statements_are_left_out() -> None:
    """They are reported, and what stands around them is read."""
    good = statement()
    strange = [
        record(b"no key of ours", b"{}", 1),
        record(None, b"{}", 2),
        record(fact_key(good), b"not json", 3),
        record(fact_key(statement(name="another")), stating(good, 0).value, 4),
        record(b"nonsense", None, 5),
    ]

    changes, unreadable = RecordReader().changes([stating(good, 0), *strange, removing(good, 6)])

    assert [each.offset for each in unreadable] == [1, 2, 3, 4, 5]
    assert [each.value is None for each in changes] == [False, True]


def test_the_state_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is written again with more room; no restart is needed."""
    monkeypatch.setattr(environment, "_FIRST_MAP_BYTES", 64 * 1024)
    state = FactState(tmp_path, max_partitions=1)
    state.open(0)
    facts = [statement(subject=n, name=f"s-{n}") for n in range(3_000)]

    apply(state, [stating(fact, offset) for offset, fact in enumerate(facts)])

    assert state.size_bytes > 64 * 1024
    assert answer(state, 2_999, "consent.marketing", START) is not None
    state.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Two auditors never share a state, and the message says what to set."""
    state = FactState(tmp_path, max_partitions=1)

    with pytest.raises(FatalError, match=r"another process.*PURPOSEWATCH_FACTS_DIR"):
        FactState(tmp_path, max_partitions=1)

    state.close()
    FactState(tmp_path, max_partitions=1).close()


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """The message says what to set."""
    (tmp_path / "file").write_text("")

    with pytest.raises(FatalError, match="PURPOSEWATCH_FACTS_DIR"):
        FactState(tmp_path / "file" / "facts", max_partitions=1)


def _written(directory: Path) -> Path:
    state = FactState(directory, max_partitions=1)
    state.open(0)
    facts = [statement(subject=n, name=f"s-{n}") for n in range(2_000)]
    apply(state, [stating(fact, offset) for offset, fact in enumerate(facts)])
    state.close()
    return directory / "data.mdb"


def test_a_file_that_is_no_state_is_replaced(tmp_path: Path) -> None:
    """The auditor starts with an empty state, and restores it."""
    _written(tmp_path).write_bytes(b"\xff" * 100_000)

    state = FactState(tmp_path, max_partitions=1)

    assert state.open(0) is None
    state.close()


@pytest.mark.parametrize("left", [16 * 1024, 200_000])
def test_a_file_that_was_cut_off_is_replaced(left: int, tmp_path: Path) -> None:
    """Reading what is missing ends no process with a signal."""
    path = _written(tmp_path)
    with path.open("r+b") as file:
        file.truncate(left)

    state = FactState(tmp_path, max_partitions=1)

    assert state.open(0) is None
    state.close()


def _killed(directory: Path) -> None:
    """Write a state, and leave it as `kill -9` does."""
    _written(directory)
    (directory / "session").write_text(environment._boot_id())


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    """What it has committed is continued."""
    _killed(tmp_path)

    state = FactState(tmp_path, max_partitions=1)

    assert state.open(0) == Position(2_000)
    state.close()


@pytest.mark.parametrize("session", ["another-boot", "", "\xff", None])
def test_a_crash_of_the_machine_discards_the_state(session: str | None, tmp_path: Path) -> None:
    """Pages may have reached the disk in any order."""
    _killed(tmp_path)
    if session is None:
        (tmp_path / "session").unlink()
    else:
        (tmp_path / "session").write_text(session, encoding="latin-1")

    state = FactState(tmp_path, max_partitions=1)

    assert state.open(0) is None
    state.close()


def test_damage_is_found_when_it_is_read(tmp_path: Path) -> None:
    """What can't be a statement is an error, and the state can be discarded."""
    path = _written(tmp_path)
    state = FactState(tmp_path, max_partitions=1)
    state.open(0)
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(bytes(path.stat().st_size - 2 * 4096))

    with pytest.raises(CorruptStateError):
        answer(state, 5, "consent.marketing", START)
    state.discard()

    assert state.open(0) is None
    state.close()


def test_a_full_disk_is_an_error_of_its_own(
    state: FactState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write changes nothing, and succeeds when it is repeated."""

    def full(_: object) -> None:
        message = "mdb_txn_commit: No space left on device"
        raise lmdb.Error(message)

    with pytest.raises(NoSpaceError):
        state._environment.write(full)
    apply(state, [stating(statement(), 0)])

    assert answer(state, 0, "consent.marketing", START) is not None
