"""Verdicts of one batch in the ledgers of their partitions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from purposewatch_reporter.ledger.lookups import LogFacts
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.read import VerdictRecords
from purposewatch_reporter.ledger.session import LedgerSession, runs_of
from tests.unit.reporter.records import PREFIX, record, verdict

if TYPE_CHECKING:
    from purposewatch_reporter.ledger.read import ReadVerdict

_RECORDS = VerdictRecords(f"{PREFIX}.events")
_NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_RUNS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 30), st.integers(1, 6)), min_size=1, max_size=8
)
_BASES = st.tuples(st.integers(0, 12), st.integers(0, 12))


def _read(positions: list[tuple[int, int]]) -> list[ReadVerdict]:
    texts = [
        json.dumps(verdict(*position), separators=(",", ":")).encode() for position in positions
    ]
    records = [
        record("t", partition, n, text)
        for n, ((partition, _), text) in enumerate(zip(positions, texts, strict=True))
    ]
    good, _ = _RECORDS.read(records, now=_NOW)
    return good


def _accounts(bases: tuple[int, int]) -> LedgerSession:
    ledgers = {partition: PartitionLedger(base=base) for partition, base in enumerate(bases)}
    return LedgerSession(ledgers, LogFacts(), "events")


@given(_RUNS, _BASES)
def test_a_batch_is_recorded_as_its_verdicts_would_be_alone(
    runs: list[tuple[int, int, int]], bases: tuple[int, int]
) -> None:
    """Rows of offsets are recorded at once, for speed; one by one they come to the same."""
    positions = [(partition, first + n) for partition, first, size in runs for n in range(size)]
    items = _read(positions)
    together, singly = _accounts(bases), _accounts(bases)

    new = together.record_verdicts(runs_of(items))

    assert list(new) == [one for item in items for one in singly.record_verdicts([[item]])]
    assert [n.verdict.offset for n in new if n.verdict.partition == 0] == [
        offset for partition, offset in dict.fromkeys(positions) if partition == 0
    ]
    for partition in (0, 1):
        found, expected = together.current[partition], singly.current[partition]
        assert found.accounted.intervals() == expected.accounted.intervals()
        assert (found.verdicts, found.base) == (expected.verdicts, expected.base)
        assert found.fingerprint.first == expected.fingerprint.first
