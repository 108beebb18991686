"""A few rows of a database of schema 0006, and what they must be after the upgrade."""

from datetime import UTC, datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.fingerprint import LogFingerprint, RecordFingerprint
from purposewatch_reporter.ledger.positions import ReadPosition
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.epochs import EpochNote, load_epoch_notes
from purposewatch_reporter.store.ledgers import load_epochs
from purposewatch_reporter.store.positions import load_positions
from purposewatch_reporter.store.raw_ledgers import load_raw_epochs

_STARTED = datetime(2026, 3, 2, 8, tzinfo=UTC)
_RECORDED = datetime(2026, 3, 2, 9, tzinfo=UTC)
_DIGEST = bytes(range(16))
_FINGERPRINT = LogFingerprint(RecordFingerprint(1, _DIGEST), RecordFingerprint(7, _DIGEST))

_ROWS = """
INSERT INTO positions (topic, partition, next_offset, page, first_offset, first_digest,
    mark_offset, mark_digest) VALUES ('t.verdicts', 0, 8, 1, 1, :digest, 7, :digest);
INSERT INTO ledger (topic, partition, page, opened_time, closed_time, seen_end, first_offset,
    first_digest, mark_offset, mark_digest, base, accounted, verdicts, dead_letters, duplicates,
    conflicts) VALUES ('t.events', 0, 0, NULL, :started, 9, NULL, NULL, NULL, NULL, 0, '[[0,9]]',
    9, 0, 0, 0);
INSERT INTO ledger (topic, partition, page, opened_time, closed_time, seen_end, first_offset,
    first_digest, mark_offset, mark_digest, base, accounted, verdicts, dead_letters, duplicates,
    conflicts) VALUES ('t.events', 0, 1, :started, NULL, 8, 1, :digest, 7, :digest, 1, '[[1,8]]',
    6, 1, 0, 0);
INSERT INTO raw_ledger (topic, partition, page, opened_time, closed_time, seen_end, first_offset,
    first_digest, mark_offset, mark_digest, base, settled, booked_end, accepted, dead_letters,
    repeats) VALUES ('t.raw', 0, 1, :started, NULL, 8, 1, :digest, 7, :digest, 1, 5, 8, 6, 0, 0);
INSERT INTO raw_chunks (topic, partition, page, chunk, bits) VALUES ('t.raw', 0, 1, 0, :digest);
INSERT INTO pages (topic, partition, page, opened_time, reason)
    VALUES ('t.events', 0, 1, :started, 'rewritten');
INSERT INTO event_ids (id_hash, content_digest, partition, event_offset, booked_time)
    VALUES (:digest, :digest, 0, 7, :recorded);
INSERT INTO dead_letters (id, origin_topic, origin_partition, origin_offset, record_time,
    failed_time, booked_time, consumer, error_class, reason)
    VALUES ('d', 't.events', 0, 2, :started, :started, :recorded, 'auditor', 'not_json', 'odd')
"""


async def fill_0006(connection: AsyncConnection) -> None:
    """Insert rows of every table that the upgrade changes in place."""
    is_sqlite = connection.dialect.name == "sqlite"
    values = {
        "digest": _DIGEST,
        "started": _STARTED.replace(tzinfo=None) if is_sqlite else _STARTED,
        "recorded": _RECORDED.replace(tzinfo=None) if is_sqlite else _RECORDED,
    }
    if is_sqlite:
        values |= {
            name: value.isoformat(" ", "microseconds")
            for name, value in values.items()
            if isinstance(value, datetime)
        }
    for row in _ROWS.strip().split(";\n"):
        used = {name: value for name, value in values.items() if f":{name}" in row}
        await connection.execute(text(row), used)


async def check_upgraded(connection: AsyncConnection) -> None:
    """Fail unless every row is there under the new names."""
    position = (await load_positions(connection, "t.verdicts"))[0]
    assert position == ReadPosition(8, 1, _FINGERPRINT)
    ended, current = (await load_epochs(connection, "t.events"))[0]
    assert (ended.log_epoch, ended.ended_time, ended.verdicts) == (0, _STARTED, 9)
    assert (current.log_epoch, current.started_time, current.verdicts) == (1, _STARTED, 6)
    assert (current.fingerprint, current.accounted.intervals()) == (_FINGERPRINT, [(1, 8)])
    [raw] = (await load_raw_epochs(connection, "t.raw"))[0]
    assert (raw.log_epoch, raw.recorded_end, raw.fingerprint) == (1, 8, _FINGERPRINT)
    [chunk] = await connection.execute(select(tables.raw_chunks))
    assert (chunk.log_epoch, chunk.bits) == (1, _DIGEST)
    assert await load_epoch_notes(connection) == [
        EpochNote("t.events", 0, 1, _STARTED, "rewritten")
    ]
    [event_id] = await connection.execute(select(tables.event_ids))
    assert (event_id.event_offset, event_id.recorded_time) == (7, _RECORDED)
    [letter] = await connection.execute(select(tables.dead_letters))
    assert (letter.id, letter.recorded_time) == ("d", _RECORDED)
