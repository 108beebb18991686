"""A log that was replaced is told from the one that the state was made from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_auditor.facts.identity import Finding, compare, sample_of, with_sample
from purposewatch_auditor.facts.state import Position, Sample
from tests.harness.facts import record

APPLIED = {offset: record(b"key-%d" % offset, b"", offset, timestamp=offset) for offset in range(9)}
POSITION = Position(9, tuple(sample_of(APPLIED[offset]) for offset in (2, 5, 8)), current_at=1_000)
DAY = 86_400.0


def found(*offsets: int, **other: object) -> dict[int, object]:
    """What the log has at some offsets."""
    return {offset: APPLIED[offset] for offset in offsets} | {
        int(name.removeprefix("at_")): value for name, value in other.items()
    }


@pytest.mark.parametrize(
    ("log", "begins", "ends", "now", "expected"),
    [
        (found(2, 5, 8), 0, 9, 2_000, Finding.SAME),
        (found(2, 5, 8), 0, 20, 2_000, Finding.SAME),
        (found(5), 0, 20, 2_000, Finding.SAME),  # compaction removed the others
        (found(), 0, 20, 2_000, Finding.REPLACED),  # nothing proves that it is the same
        (found(2, 5, 8), 0, 8, 2_000, Finding.REPLACED),  # it has lost its end
        (found(), 12, 20, 2_000, Finding.REPLACED),
        (found(2, 5, at_8=record(b"other", b"", 8, timestamp=8)), 0, 9, 2_000, Finding.REPLACED),
        (found(2, 5, at_8=record(b"key-8", b"", 8, timestamp=7)), 0, 9, 2_000, Finding.REPLACED),
        (found(2, 5, 8), 0, 20, 1_001 + DAY, Finding.STALE),
        (found(2, 5, 8), 0, 9, 1_001 + DAY, Finding.SAME),  # there was nothing to miss
    ],
)
def test_what_the_log_shows(
    log: dict[int, object], begins: int, ends: int, now: float, expected: Finding
) -> None:
    """A missing record proves nothing; another one does, and so does the log's length."""
    result = compare(
        POSITION,
        begins=begins,
        ends=ends,
        found=log,
        now=now,
        retention_seconds=DAY,
    )

    assert result is expected


def test_a_state_of_an_empty_log_continues() -> None:
    """Nothing was applied, so nothing can differ."""
    result = compare(Position(0), begins=0, ends=5, found={}, now=0.0, retention_seconds=DAY)

    assert result is Finding.SAME


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=60))
def test_samples_reach_far_back(steps: list[int]) -> None:
    """The last record is among them; there are few, in order, the older the further apart."""
    samples: tuple[Sample, ...] = ()
    offset = 0
    for step in steps:
        offset += step
        samples = with_sample(samples, Sample(offset, "", 0))

    assert samples[-1].offset == offset
    assert len(samples) == min(len(steps), 8)
    assert list(samples) == sorted(samples, key=lambda each: each.offset)


def test_samples_of_a_steady_log() -> None:
    """Of a thousand records, some of the first half are remembered."""
    samples: tuple[Sample, ...] = ()
    for offset in range(1_000):
        samples = with_sample(samples, Sample(offset, "", 0))

    assert samples[0].offset < 500 < samples[-2].offset
