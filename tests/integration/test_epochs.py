"""Topics that are recreated under the running services: nothing is lost, or it shows."""

import asyncio
import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from purposewatch_contract import DEAD_LETTERS, EVENTS, EXAMPLE_DIR, RAW, VERDICTS, TopicName
from tests.harness.broker import RunningBroker
from tests.harness.scrape import get, metric
from tests.integration.platform import TOPICS, Platform, platform_on
from tests.unit.reporter.records import dead_letter, verdict

pytestmark = pytest.mark.timeout(180)

# the embedded broker makes a deleted topic again, its own way, as soon as a client names it
APACHE_KAFKA = pytest.mark.parametrize(
    "broker",
    [pytest.param("apache_kafka", marks=pytest.mark.apache_kafka)],
    indirect=True,
)


@pytest.fixture
async def platform(
    broker: RunningBroker, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Platform]:
    """The platform, running."""
    async with platform_on(broker, topic_prefix, tmp_path) as running:
        yield running


def through(ledger: dict[str, Any], published: int) -> bool:
    """Whether as many raw records are accounted for, and nothing else is missing."""
    raw = ledger["raw"]
    done = raw["totals"]["accepted"] + raw["totals"]["dead_letters"]
    return bool(done == published and raw["reconciled"] and ledger["reconciled"])


async def test_raw_records_are_accounted_for_from_end_to_end(
    platform: Platform,
) -> None:
    """Records of the raw topic = events with a verdict + dead letters, whatever crashes."""
    await platform.publish(300)
    for service in (platform.ingest, platform.auditor, platform.reporter):
        service.kill()
        service.start()
        await platform.publish(100)
    ledger = await platform.wait_ledger(lambda found: through(found, 600))
    raw = ledger["raw"]["totals"]
    assert (raw["accepted"], raw["dead_letters"]) == (540, 60)
    assert (raw["unaccounted"], raw["pending"], raw["lost"]) == (0, 0, 0)
    # a crash of ingest sends events twice, and one of the auditor none
    assert ledger["totals"]["verdicts"] == 540 + raw["repeats"]
    assert ledger["totals"]["duplicates"] == raw["repeats"]
    assert ledger["epochs"] == []
    assert await metric(platform.reporter, "purposewatch_raw_ledger_accepted") == 540


@APACHE_KAFKA
@pytest.mark.parametrize(
    ("recreated", "kill"),
    [
        pytest.param((EVENTS,), True, id="events"),
        pytest.param((EVENTS, VERDICTS), False, id="events and verdicts"),
        pytest.param(TOPICS, True, id="all"),
        pytest.param((RAW,), False, id="raw"),
    ],
)
async def test_recreated_topics_get_a_new_log_epoch(
    platform: Platform,
    recreated: tuple[TopicName, ...],
    kill: bool,  # noqa: FBT001 - a table
) -> None:
    """Everything published before and after counts once; the ended log epochs stay."""
    await platform.publish(200)
    await platform.wait_ledger(lambda found: through(found, 200))
    await platform.recreate(recreated)
    publishing = asyncio.create_task(platform.publish(100))
    if kill:
        await asyncio.sleep(1)
        platform.reporter.kill()
        platform.reporter.start()
    await publishing
    ledger = await platform.wait_ledger(lambda found: through(found, 300), seconds=90)
    assert {note["topic"] for note in ledger["epochs"]} >= {
        platform.name(topic) for topic in recreated if topic != DEAD_LETTERS
    }
    assert ledger["totals"]["lost"] == ledger["raw"]["totals"]["lost"] == 0
    assert sum(epoch["verdicts"] for epoch in ledger["ended"]) == (
        180 if EVENTS in recreated else 0
    )
    counts = (await get(platform.reporter, "/api/v1/counts?by=outcome")).json()
    assert counts["total"] == 270
    assert await metric(platform.reporter, "purposewatch_log_epochs_started") == len(
        ledger["epochs"]
    )


async def test_what_no_service_can_have_written_changes_no_ledger(platform: Platform) -> None:
    """Forged verdicts, dead letters and an event alert; honest events reconcile behind them."""
    prefix = platform.settings.topic_prefix
    await platform.publish(60)
    await platform.wait_ledger(lambda found: through(found, 60))
    violation: dict[str, Any] = {"outcome": "violation", "kind": "prohibited", "prefix": prefix}
    forged = [verdict(0, offset, **violation) for offset in (999_999_999_999_999, 40, 18)]
    await platform.write(VERDICTS, [*forged, verdict(1, 5, **violation)])
    letters = [
        dead_letter(0, 999_999_999, topic=topic, prefix=prefix) for topic in ("events", "raw")
    ]
    await platform.write(DEAD_LETTERS, [*letters, dead_letter(7, 0, prefix=prefix)])
    event = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
    origin = f"{platform.name(RAW)}/0/999999999"
    nobody = {"publisher": "nobody", "source": "/nobody", "origin": origin}
    await platform.write(EVENTS, [{**event, **nobody}])
    await platform.publish(60)

    ledger = await platform.wait_ledger(
        lambda found: through(found, 120) and found["totals"]["verdicts"] == 109
    )

    totals, raw = ledger["totals"], ledger["raw"]["totals"]
    assert (totals["lost"], totals["unaccounted"], totals["dead_letters"]) == (0, 0, 0)
    assert (raw["lost"], raw["unaccounted"], raw["dead_letters"]) == (0, 0, 12)
    assert not any(one["log_is_short"] for one in ledger["partitions"])
    assert ledger["epochs"] == ledger["ended"] == []
    assert (await get(platform.reporter, "/api/v1/counts?by=outcome")).json()["total"] == 109
    listed = (await get(platform.reporter, "/api/v1/dead-letters?error_class=suspect")).json()
    where = Counter(item["origin"]["topic"] for item in listed["items"])
    assert where == {platform.name(VERDICTS): 5, platform.name(DEAD_LETTERS): 3}
    suspects = "purposewatch_recorded_dead_letters_total"
    assert await metric(platform.reporter, suspects, {"error_class": "suspect"}) == 8
    unregistered = "purposewatch_unregistered_publisher_events_total"
    assert await metric(platform.auditor, unregistered) == 1
    with contextlib.closing(sqlite3.connect(platform.database)) as database:
        notices = database.execute("SELECT key, episode_count FROM notices WHERE kind = 'suspect'")
        assert dict(notices.fetchall()) == dict(where)


@APACHE_KAFKA
async def test_a_recreated_verdicts_topic_shows_what_it_took_along(platform: Platform) -> None:
    """Verdicts that were never read are unaccounted events; the ones after it are recorded."""
    await platform.publish(100, bad_every=1000)
    await platform.wait_ledger(lambda found: through(found, 100))
    platform.reporter.kill()
    await platform.publish(50, bad_every=1000)
    verdicts = "purposewatch_verdicts_total"
    async with asyncio.timeout(30):
        while await metric(platform.auditor, verdicts) < 150:
            await asyncio.sleep(0.1)
    await platform.recreate([VERDICTS])
    await platform.publish(50, bad_every=1000)
    platform.reporter.start()
    ledger = await platform.wait_ledger(
        lambda found: found["totals"]["verdicts"] == 150 and found["totals"]["pending"] == 0
    )
    assert ledger["totals"]["unaccounted"] == 50
    assert {note["topic"] for note in ledger["epochs"]} == {platform.name(VERDICTS)}
