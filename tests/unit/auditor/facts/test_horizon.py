"""Statements that no event of the last years can need are removed, and no others."""

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_auditor.facts import horizon
from purposewatch_auditor.facts.horizon import Horizon, superseded
from purposewatch_auditor.facts.keys import fact_prefix, microseconds, state_key
from purposewatch_auditor.facts.progress import Progress
from purposewatch_auditor.facts.writer import StateWriter
from purposewatch_contract.codec import fact_key
from purposewatch_policy import FactStatement, statement_in_force
from purposewatch_runtime.kafka import AcknowledgedProducer, Tombstone
from purposewatch_runtime.metrics import MetricSet
from tests.harness.facts import START, removing, statement, stating

DAYS = 24


class Topic(list[Tombstone]):
    """Stands for the producer."""

    async def publish(self, records: Sequence[Tombstone]) -> None:
        """Keep the records."""
        self.extend(records)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5), st.integers(0, 2)), max_size=12),
    st.integers(-6, 6),
)
def test_no_event_since_the_horizon_is_decided_otherwise(
    made: list[tuple[int, int, int]], before: int
) -> None:
    """Without what is superseded, every time from the horizon on has the same answer."""
    facts = [
        statement(subject=subject, since=since, stated=stated, name=f"s-{number}")
        for number, (subject, since, stated) in enumerate(made)
    ]
    keys = {
        state_key(
            fact_prefix(fact.subject, fact.controller, fact.fact),
            microseconds(fact.effective_from),
            microseconds(fact.time),
            bytes.fromhex(fact_key(fact)[-32:].decode()),
        ): fact
        for fact in facts
    }
    bound = START + timedelta(hours=before)

    gone = set(superseded(sorted(keys), microseconds(bound)))

    left = [fact for key, fact in keys.items() if key not in gone]
    for hour in range(before, 7):
        for subject in {fact.subject for fact in facts}:
            found = [
                statement_in_force(
                    [
                        FactStatement(
                            each.value, each.effective_from, None, each.time, each.id, each.source
                        )
                        for each in some
                        if each.subject == subject
                    ],
                    START + timedelta(hours=hour),
                )
                for some in (facts, left)
            ]
            assert found[0] == found[1]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a pass over few statements takes several chunks."""
    monkeypatch.setattr(horizon, "_CHUNK", 3)
    monkeypatch.setattr(horizon, "_CHUNK_SECONDS", 0.0)


@pytest.mark.usefixtures("small_chunks")
async def test_a_pass_writes_a_tombstone_for_each(tmp_path: Path) -> None:
    """Also across chunks; what is not current is left alone, and so is what is young."""
    metric_set = MetricSet("auditor", version="0")
    progress, topic = Progress(metric_set), Topic()
    writer = StateWriter(tmp_path, max_partitions=1, metric_set=metric_set)
    await writer.start()
    hours = (time.time() - START.timestamp()) // 3600
    since = [int(hours) - days * DAYS for days in (50, 40, 30, 20, 5)]
    facts = [
        statement(subject=subject, since=hour, name=f"s-{hour}")
        for subject in range(3)
        for hour in since
    ]
    await writer.open(0)
    await writer.restart(0, 0)
    records = [stating(fact, offset) for offset, fact in enumerate(facts)]
    await writer.apply(records, {0: len(records)}, [0])
    remover = Horizon(
        topic="facts",
        days=25,
        writer=writer,
        progress=progress,
        producer=cast("AcknowledgedProducer", topic),
        metric_set=metric_set,
    )

    await remover.remove_superseded(0)
    assert topic == []  # nothing is known of the partition yet

    progress.expect([0])
    progress.compared({0: len(records)}, {0: len(records)})
    await remover.remove_superseded(0)

    expected = [fact for number, fact in enumerate(facts) if number % 5 < 2]
    assert [each.key for each in topic] == [fact_key(fact) for fact in expected]
    assert {(each.value, each.partition) for each in topic} == {(None, 0)}

    topic.clear()
    tombstones = [removing(fact, 15 + n) for n, fact in enumerate(expected)]
    await writer.apply(tombstones, {0: 21}, [0])
    await remover.remove_superseded(0)
    assert topic == []
    await writer.stop()
