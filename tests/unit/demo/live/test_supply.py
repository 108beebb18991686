"""Traffic for an ingest that is only reached over HTTP."""

from datetime import UTC, datetime

from purposewatch_demo.flows import Transport, planned_traffic
from purposewatch_demo.live.run import over_http
from purposewatch_demo.tally import DeadLettered
from purposewatch_demo.traffic import Traffic

NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def test_nothing_is_left_for_the_raw_topic() -> None:
    """Records become batches without the malformed ones; everything else stays as it was."""
    traffic = Traffic(planned_traffic(), seed=1, largest=40)
    made = [traffic.next(NOW) for _ in range(400)]
    raw = [each for each in made if each.transport is Transport.RAW]
    assert any(isinstance(item.expected, DeadLettered) for each in raw for item in each.items)

    for batch in made:
        sent = over_http(batch)
        kept = [i for i in batch.items if not isinstance(i.expected, DeadLettered)]
        assert kept == (list(sent.items) if sent else [])
        if sent is not None and batch.transport is Transport.RAW:
            assert sent.transport == Transport.BATCH
        elif batch.transport is not Transport.RAW:
            assert batch is sent
