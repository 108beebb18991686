"""Records in the forms in which CloudTrail delivers them: who, what, and which objects."""

import json
from pathlib import Path
from typing import Any

import pytest

from purposewatch_connect.exports.cloudtrail import read_cloudtrail
from purposewatch_connect.exports.reading import IGNORED, Reading, UnreadableFileError

SAMPLE = (Path(__file__).parent / "samples" / "cloudtrail.json").read_bytes()
RECORDS: list[dict[str, Any]] = json.loads(SAMPLE)["Records"]
PHOTO = "s3://portal-uploads/members/m-7/photo.jpg"
DIGEST = {
    "awsAccountId": "111122223333",
    "digestStartTime": "2026-03-02T07:36:49Z",
    "digestEndTime": "2026-03-02T08:36:49Z",
    "digestS3Bucket": "audit-logs",
    "digestS3Object": "AWSLogs/111122223333/CloudTrail-Digest/eu-central-1/digest.json.gz",
    "previousDigestS3Bucket": None,
    "logFiles": [{"s3Bucket": "audit-logs", "s3Object": "log.json.gz", "hashValue": "42"}],
}
INSIGHT = {
    "eventVersion": "1.08",
    "eventTime": "2026-03-02T08:15:00Z",
    "awsRegion": "eu-central-1",
    "eventID": "0f6b1c1e-2f4e-4a55-9d3e-000000000099",
    "eventType": "AwsCloudTrailInsight",
    "recipientAccountId": "111122223333",
    "sharedEventID": "65422b38-0000-4c16-ae22-000000000099",
    "insightDetails": {"state": "Start", "eventSource": "s3.amazonaws.com"},
    "eventCategory": "Insight",
}


def seen(reading: Reading) -> list[str]:
    """What was done with which object, or which gap there is."""
    return [f"{each.action} {each.dataset}" for each in reading.observations] + [
        f"{gap.kind} {gap.name}" for gap in reading.gaps
    ]


def read(*documents: Any, between: str = "\n") -> list[Reading]:
    """Read documents that follow each other in a file."""
    return list(read_cloudtrail(between.join(map(json.dumps, documents)).encode()))


def event_bridge(record: dict[str, Any]) -> dict[str, Any]:
    """A record as EventBridge passes it on."""
    return {
        "version": "0",
        "id": "8d6f9246-0000-4721-a026-f1c1ab2c61f0",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.s3",
        "account": "111122223333",
        "time": record["eventTime"],
        "region": "eu-central-1",
        "resources": [],
        "detail": record,
    }


EXPECTED = [
    ("GetObject, by a role", [f"read {PHOTO}"]),
    ("HeadObject", []),
    ("ListObjects, which names a prefix", []),
    ("PutObject with a presigned URL", [f"write {PHOTO}"]),
    ("PreflightRequest, which precedes it", []),
    (
        "CopyObject, which lists the source among the resources",
        ["write s3://portal-uploads/members/m-7/copy 1.jpg", f"read {PHOTO}"],
    ),
    (
        "CopyObject from an access point",
        ["write s3://portal-uploads/members/m-7/copy.jpg", "read s3://exports/members/m-7.csv"],
    ),
    ("SelectObjectContent", ["read s3://portal-uploads/members/list.csv"]),
    ("DeleteObject", [f"delete {PHOTO}"]),
    ("DeleteObjects, which names no keys", ["delete s3://portal-uploads/"]),
    ("GetObject, by a user", [f"read {PHOTO}"]),
    ("GetObject, by a service of AWS", [f"read {PHOTO}"]),
    ("GetObject, anonymous", [f"read {PHOTO}"]),
    ("GetObject, by another account", [f"read {PHOTO}"]),
    ("GetObject, denied, with the owner's account left out", []),
    ("GetObject through an access point", [f"read {PHOTO}"]),
    (
        "PutObject in a directory bucket",
        ["write s3://portal-uploads--euc1-az1--x-s3/members/m-7/photo.jpg"],
    ),
    ("PutObject on Outposts, with another spelling of the key", [f"write {PHOTO}"]),
    ("GetObject of S3 Tables, with another form", ["unparsed_statement s3tables/GetObject"]),
    ("GetObject before version 1.06, without a category", [f"read {PHOTO}"]),
    ("ListBuckets before version 1.06", []),
    ("GetObject, corrected later", [f"read {PHOTO}"]),
    ("PutObject with the parameters omitted", [f"write {PHOTO}"]),
]


def test_each_form_of_a_record_is_read() -> None:
    """With the object it is about, wherever the record names it."""
    readings = [seen(each) for each in read_cloudtrail(SAMPLE)]
    names = [name for name, _ in EXPECTED]
    assert list(zip(names, readings, strict=True)) == EXPECTED


@pytest.mark.parametrize(
    ("number", "services"),
    [
        (
            0,
            ["arn:aws:iam::111122223333:role/portal-role", "AROAEXAMPLEPORTAL0001", "portal-role"],
        ),
        (10, ["arn:aws:iam::111122223333:user/batch", "AIDAEXAMPLEBATCH00001", "batch"]),
        (11, ["cloudfront.amazonaws.com", "cloudfront.amazonaws.com"]),
        (12, ["anonymous"]),
        (13, ["AROAEXAMPLEPARTNER001", "444455556666"]),
    ],
)
def test_who_acted_is_named_as_well_as_the_record_can(number: int, services: list[str]) -> None:
    """A role, a user, a service of AWS, nobody known, or a principal of another account."""
    (reading,) = read(RECORDS[number])
    assert list(reading.observations[0].services) == services


def test_records_about_one_event_are_one_access() -> None:
    """Those in the trails of two accounts, and one that was corrected later."""
    elsewhere = RECORDS[13] | {"eventID": "another", "recipientAccountId": "444455556666"}
    ours, theirs, first, corrected = read(RECORDS[13], elsewhere, RECORDS[0], RECORDS[21])
    assert ours.observations[0].identity == theirs.observations[0].identity
    assert first.observations[0].identity == corrected.observations[0].identity


@pytest.mark.parametrize("between", ["\n", "", "\r\n\r\n"])
def test_records_may_follow_each_other(between: str) -> None:
    """Bare or as events of EventBridge, on lines or as Firehose joins them."""
    records = RECORDS[0], event_bridge(RECORDS[3]), {"Records": RECORDS[8:10]}
    assert [seen(each) for each in read(*records, between=between)] == [
        [f"read {PHOTO}"],
        [f"write {PHOTO}"],
        [f"delete {PHOTO}"],
        ["delete s3://portal-uploads/"],
    ]


def test_files_beside_the_logs_are_no_faults() -> None:
    """A digest holds no records; insights are about none of them."""
    assert read(DIGEST) == []
    assert read({"Records": [INSIGHT]}) == [IGNORED]


def test_what_precedes_a_fault_is_read() -> None:
    """And the fault is named."""
    readings = read_cloudtrail(json.dumps(RECORDS[0]).encode() + b"\n{")
    assert seen(next(readings)) == [f"read {PHOTO}"]
    with pytest.raises(UnreadableFileError, match="line 2 is not JSON"):
        next(readings)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"Events": []}', b"\xff\xfe"])
def test_a_file_of_something_else_is_a_fault(content: bytes) -> None:
    """It is not taken for an empty log."""
    with pytest.raises(UnreadableFileError):
        list(read_cloudtrail(content))


def test_a_document_of_something_else_among_records_is_a_gap() -> None:
    """Nothing is dropped silently."""
    assert seen(read(RECORDS[0], {"status": "ok"})[1]) == ["unreadable_record cloudtrail"]
