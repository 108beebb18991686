"""What a client did is shown to Prometheus, and judged for a health check."""

from collections import Counter

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from purposewatch_client import Client, ClientSettings, MemorySink, Stats
from purposewatch_client.metrics import register_metrics
from purposewatch_client.stats import assess

STATS = Stats(
    recorded=9,
    queued=2,
    sent=5,
    gaps_sent=8,
    facts_sent=6,
    refused={"unknown_term": 2},
    dropped={"full": 3},
    failures={"unavailable": 4},
    damaged=1,
    torn=1,
    spool_bytes=700,
    oldest_seconds=12.5,
)


class Sink(MemorySink):
    """One with counts."""

    def stats(self) -> Stats:
        """See `Sink`."""
        return STATS


def test_every_count_is_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read at the scrape, so recording an event costs nothing more."""
    counts = Counter(
        {("httpx", "unmapped_dataset", name): 3 for name in ("a.example", "b.example")}
    )
    monkeypatch.setattr("purposewatch_client.gap_counter._counts", counts)
    client = Client(ClientSettings(source="/portal"), Sink())
    client.record(subject=1)
    registry = CollectorRegistry()
    register_metrics(client, registry)
    shown = dict(
        line.rsplit(" ", 1)
        for line in generate_latest(registry).decode().splitlines()
        if not line.startswith("#")
    )
    assert shown == {
        "purposewatch_client_events_recorded_total": "9.0",
        "purposewatch_client_events_sent_total": "5.0",
        "purposewatch_client_facts_sent_total": "6.0",
        "purposewatch_client_gaps_sent_total": "8.0",
        "purposewatch_client_events_invalid_total": "1.0",
        'purposewatch_client_events_refused_total{reason="unknown_term"}': "2.0",
        'purposewatch_client_events_dropped_total{reason="full"}': "3.0",
        'purposewatch_client_requests_failed_total{reason="unavailable"}': "4.0",
        "purposewatch_client_spool_damaged_total": "1.0",
        "purposewatch_client_spool_torn_total": "1.0",
        "purposewatch_client_events_queued": "2.0",
        "purposewatch_client_spool_bytes": "700.0",
        "purposewatch_client_spool_oldest_seconds": "12.5",
        'purposewatch_client_gaps_total{integration="httpx",kind="unmapped_dataset"}': "6.0",
    }


@pytest.mark.parametrize(
    ("age", "most", "ok", "said"),
    [
        (20.0, 1000, True, "700 bytes in the spool"),
        (10.0, 1000, False, "an event has waited for 12 s (unavailable)"),
        (20.0, 750, False, "the spool holds 700 of 750 bytes"),
    ],
)
def test_health(age: float, most: int, said: str, *, ok: bool) -> None:
    """An event that waits for too long, or a spool that is almost full, is not well."""
    health = assess(STATS, max_age_seconds=age, max_bytes=most)
    assert (health.ok, health.detail) == (ok, said)
