"""What a process signs with, whom it trusts, and what becomes of the records of others."""

from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from purposewatch_contract import ErrorClass
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import OutgoingRecord, Record, RecordSigning, RejectedRecord
from purposewatch_runtime.service import FatalError
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.signing_keys import SigningKeys

TOPIC = "data-access.verdicts"


def signing(
    keys: SigningKeys, key: Path | None = None, service: str = "auditor"
) -> tuple[RecordSigning, m.MetricSet]:
    """A process with these files."""
    metric_set = m.MetricSet("auditor", version="0")
    settings = KafkaSettings(**keys.settings(key))
    return RecordSigning(settings, service=service, metric_set=metric_set), metric_set


def written(process: RecordSigning, count: int = 1) -> list[Record]:
    """Records that the process signs and somebody reads."""
    records = [OutgoingRecord(TOPIC, b"verdict %d" % each, b"k", 0) for each in range(count)]
    return [
        ConsumerRecord(
            TOPIC, 0, offset, 1_772_439_300_000, 0, each.key, each.value, None, 0, 0, each.headers
        )
        for offset, each in enumerate(process.sign(records))
    ]


async def test_without_files_nothing_is_signed_or_refused() -> None:
    """Records pass as they are, the very same objects."""
    process = RecordSigning(
        KafkaSettings(), service="auditor", metric_set=m.MetricSet("auditor", version="0")
    )
    records = [OutgoingRecord(TOPIC, b"verdict", None, 0)]
    assert process.sign(records) is records
    read = written(process)
    assert await process.verify(read) is read


async def test_unsigned_records_are_rejected_and_counted(tmp_path: Path) -> None:
    """They become suspect, in their place among the others."""
    keys = SigningKeys(tmp_path)
    auditor, metric_set = signing(keys, keys.make("auditor"))
    nobody = RecordSigning(
        KafkaSettings(), service="auditor", metric_set=m.MetricSet("auditor", version="0")
    )
    records = [*written(auditor, 2), *written(nobody)]
    *good, bad = await auditor.verify(records)
    assert good == records[:2]
    assert isinstance(bad, RejectedRecord)
    assert (bad.error_class, bad.reason) == (ErrorClass.SUSPECT, "the record is not signed")
    labels = {"topic": TOPIC, "reason": "missing"}
    name = m.SIGNATURES_REFUSED.exported_name
    assert metric_set.registry.get_sample_value(name, labels) == 1
    assert metric_set.registry.get_sample_value(name, {**labels, "reason": "invalid"}) == 0


async def test_keys_are_rotated_without_a_restart(tmp_path: Path) -> None:
    """A new key counts as soon as the file lists it, beside the old one; a removed one does not."""
    keys = SigningKeys(tmp_path)
    old = keys.make("auditor")
    auditor, _ = signing(keys, old)
    reporter, _ = signing(keys)
    before = written(auditor)
    new = keys.make("auditor")
    after = written(signing(keys, new)[0])  # the reporter has not seen the new file yet
    assert await reporter.verify([*before, *after]) == [*before, *after]
    keys.retire(old)
    reporter._trusted.refresh()  # type: ignore[union-attr]
    first, second = await reporter.verify([*before, *after])
    assert isinstance(first, RejectedRecord)
    assert "which is not trusted" in first.reason
    assert second is after[0]


async def test_a_retired_key_signs_nothing_more(tmp_path: Path) -> None:
    """What it signed before counts; the metric says until when."""
    keys = SigningKeys(tmp_path)
    key = keys.make("auditor")
    keys.retire(key, until="2026-03-02T08:14:00Z")
    auditor, metric_set = signing(keys, key)
    [record] = await auditor.verify(written(auditor))  # written at 08:15
    assert isinstance(record, RejectedRecord)
    assert record.reason.endswith("after its `until`")
    keys.retire(key, until="2026-03-02T08:15:00Z")
    later, _ = signing(keys)
    [record] = await later.verify(written(auditor))
    assert not isinstance(record, RejectedRecord)
    shown = metric_set.registry.get_sample_value(
        m.KAFKA_CERTIFICATE_EXPIRY.exported_name, {"certificate": "signing key"}
    )
    assert shown == 1_772_439_240


def test_a_key_that_is_not_trusted_is_not_used(tmp_path: Path) -> None:
    """Its records would be refused by all who read them."""
    keys = SigningKeys(tmp_path)
    own, unknown = keys.make("auditor"), keys.make("auditor", trusted=False)
    with pytest.raises(FatalError, match="list it there first"):
        signing(keys, unknown)
    with pytest.raises(FatalError, match="not a key of ingest"):
        signing(keys, own, service="ingest")
    process, _ = signing(keys, own)
    before = written(process)
    own.write_bytes(unknown.read_bytes())
    process._signer.refresh()  # type: ignore[union-attr]
    assert written(process) == before
