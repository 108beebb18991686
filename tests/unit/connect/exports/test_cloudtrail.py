"""Log files of CloudTrail: which S3 data events become accesses, and of what."""

import gzip
import json
from copy import deepcopy
from typing import Any

import pytest

from purposewatch_connect.exports.cloudtrail import read_cloudtrail
from tests.unit.connect.exports.conftest import MAX_BYTES, Publisher, Write

MAPPING = """
    publisher: s3-log
    defaults: {controller: wework-labs, role: member_employee}
    services:
      portal-role: {purpose: essential.service.provision}
    datasets:
      "s3://portal-uploads/members/*":
        subject: {group: every-member}
        categories: [user.content.uploads]
      "s3://portal-uploads/static/*": {personal: false}
"""

RECORD: dict[str, Any] = {
    "eventVersion": "1.10",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLEPORTAL0001:session-1",
        "arn": "arn:aws:sts::111122223333:assumed-role/portal-role/session-1",
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLEKEY000001",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLEPORTAL0001",
                "arn": "arn:aws:iam::111122223333:role/portal-role",
                "accountId": "111122223333",
                "userName": "portal-role",
            },
            "attributes": {"creationDate": "2026-03-02T08:00:00Z", "mfaAuthenticated": "false"},
        },
    },
    "eventTime": "2026-03-02T08:15:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "eu-central-1",
    "sourceIPAddress": "192.0.2.7",
    "userAgent": "[Boto3/1.40]",
    "requestParameters": {
        "bucketName": "portal-uploads",
        "Host": "portal-uploads.s3.eu-central-1.amazonaws.com",
        "key": "members/m-7/photo.jpg",
    },
    "responseElements": None,
    "additionalEventData": {"SignatureVersion": "SigV4", "bytesTransferredOut": 1432},
    "requestID": "EXAMPLEREQUEST01",
    "eventID": "0f6b1c1e-2f4e-4a55-9d3e-000000000001",
    "readOnly": True,
    "resources": [
        {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::portal-uploads/members/m-7/photo.jpg"},
        {
            "accountId": "111122223333",
            "type": "AWS::S3::Bucket",
            "ARN": "arn:aws:s3:::portal-uploads",
        },
    ],
    "eventType": "AwsApiCall",
    "managementEvent": False,
    "recipientAccountId": "111122223333",
    "eventCategory": "Data",
}


def record(**changes: Any) -> dict[str, Any]:
    """A record with changes; those of `requestParameters` are added to it."""
    changed = deepcopy(RECORD)
    changed["requestParameters"] |= changes.pop("requestParameters", {})
    return changed | changes


def log_of(*records: Any) -> bytes:
    return json.dumps({"Records": records}).encode()


@pytest.fixture(autouse=True)
def mapped(publisher: Publisher) -> None:
    """Map the uploads."""
    publisher.map(MAPPING)


def test_a_data_event_becomes_an_access(publisher: Publisher, write: Write) -> None:
    """By whom, of what, when; a compressed file is read as a plain one, and a repeat is one."""
    plain = write("1.json", log_of(RECORD))
    compressed = write("2.json.gz", gzip.compress(log_of(record(awsRegion="eu-west-1"))))
    summary = publisher.publish(read_cloudtrail, plain, compressed)
    assert (summary.records, summary.accesses, summary.faults) == (2, 2, ())
    first, second = publisher.spool.accesses
    assert first.id == second.id
    assert (first.service, first.operation, first.purpose, first.subject_id) == (
        "portal-role",
        "use",
        "essential.service.provision",
        "every-member",
    )
    assert first.data_categories == ("user.content.uploads",)
    assert first.time.isoformat() == "2026-03-02T08:15:00+00:00"


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("PutObject", ["store"]),
        ("DeleteObject", ["erase"]),
        ("CompleteMultipartUpload", ["store"]),
        ("HeadObject", []),
        ("UploadPart", []),
    ],
)
def test_the_event_says_what_was_done(
    publisher: Publisher, write: Write, name: str, operations: list[str]
) -> None:
    """Events without content are no accesses."""
    publisher.publish(read_cloudtrail, write("1.json", log_of(record(eventName=name))))
    assert [access.operation for access in publisher.spool.accesses] == operations
    assert not publisher.spool.gaps


def test_a_copy_reads_its_source(publisher: Publisher, write: Write) -> None:
    """Which is named with its bucket, as in a URL."""
    source = {"x-amz-copy-source": "portal-uploads/members/m%2D7/a%20b.jpg?versionId=x"}
    copied = record(eventName="CopyObject", requestParameters=source)
    publisher.publish(read_cloudtrail, write("1.json", log_of(copied)))
    assert [access.operation for access in publisher.spool.accesses] == ["store", "use"]
    assert len({access.id for access in publisher.spool.accesses}) == 2


def test_keys_stand_in_the_resources_too(publisher: Publisher, write: Write) -> None:
    """One access for each; without any, the bucket as a whole is meant."""
    arn = "arn:aws:s3:::portal-uploads/members/"
    several = record(
        eventName="DeleteObjects",
        requestParameters={"key": None},
        resources=[{"type": "AWS::S3::Object", "ARN": f"{arn}{number}"} for number in "12"],
    )
    none = record(eventID="e-2", requestParameters={"key": None}, resources=None)
    publisher.publish(read_cloudtrail, write("1.json", log_of(several, none)))
    assert [access.operation for access in publisher.spool.accesses] == ["erase", "erase"]
    assert [(gap.kind, gap.name) for gap in publisher.spool.gaps] == [
        ("unmapped_dataset", "s3://portal-uploads")
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"errorCode": "AccessDenied"},
        {"eventCategory": "Management", "eventName": "PutBucketAcl"},
        {"eventSource": "kms.amazonaws.com", "eventName": "Decrypt"},
        {"requestParameters": {"key": "static/logo.svg"}},
    ],
)
def test_what_is_no_access_to_personal_data(
    publisher: Publisher, write: Write, changes: dict[str, Any]
) -> None:
    """Refused requests, other events, and what the mapping says is not personal."""
    publisher.publish(read_cloudtrail, write("1.json", log_of(record(**changes))))
    assert not publisher.spool.accesses
    assert not publisher.spool.gaps


@pytest.mark.parametrize(
    ("changed", "gap"),
    [
        (record(eventID=None), "unreadable_record cloudtrail"),
        (record(eventTime="yesterday"), "unreadable_record cloudtrail"),
        (record(eventName="TransmuteObject"), "unparsed_statement s3/TransmuteObject"),
        (
            record(userIdentity={"type": "IAMUser", "userName": "batch"}),
            "unmapped_service batch",
        ),
        (
            record(requestParameters={"bucketName": "other"}, resources=None),
            "unmapped_dataset s3://other",
        ),
    ],
)
def test_what_cannot_be_mapped_is_a_gap(
    publisher: Publisher, write: Write, changed: dict[str, Any], gap: str
) -> None:
    """Named without the key, with the same id when it is read again."""
    path = write("1.json", log_of(changed))
    assert publisher.publish(read_cloudtrail, path, path).gaps == {gap: 2}
    first, second = publisher.spool.gaps
    assert first.id == second.id
    assert not publisher.spool.accesses


def test_a_shared_event_is_one_event(publisher: Publisher, write: Write) -> None:
    """Each account's trail has it under an id of its own."""
    records = [record(eventID=each, sharedEventID="shared") for each in ("e-1", "e-2")]
    publisher.publish(read_cloudtrail, write("1.json", log_of(*records)))
    first, second = publisher.spool.accesses
    assert first.id == second.id


def test_faulty_files_are_named_and_the_others_are_read(publisher: Publisher, write: Write) -> None:
    """Whatever is wrong with them; a directory stands for its files in order."""
    write("1.json", b'{"digestS3Bucket": "b"}')
    write("2.json.gz", gzip.compress(log_of(RECORD))[:-12])
    write("3.json", b" " * (MAX_BYTES + 1))
    directory = write("4.json", log_of(RECORD, "no record")).parent
    missing = directory / "missing.json"
    summary = publisher.publish(read_cloudtrail, directory, missing)
    assert summary.accesses == 1
    assert summary.gaps == {"unreadable_record cloudtrail": 1}
    too_large = f"the content exceeds {MAX_BYTES} bytes; split the file, or raise the setting"
    assert summary.faults == (
        f"{directory}/1.json: the file is not a log of CloudTrail: it has no `Records`",
        f"{directory}/2.json.gz: the compressed content is damaged or incomplete",
        f"{directory}/3.json: {too_large}",
        f"{missing}: No such file or directory",
    )
