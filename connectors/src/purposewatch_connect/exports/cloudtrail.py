"""Log files of AWS CloudTrail: data events of S3 become observations."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from urllib.parse import unquote

from purposewatch_connect.documents import Document, object_of, objects_of, text_of, time_of
from purposewatch_connect.exports.reading import IGNORED, Reading, UnreadableFileError
from purposewatch_connect.mapping import Action, GapKind, Observation, make_gap

_ACTIONS = {
    "GetObject": Action.READ,
    "GetObjectTorrent": Action.READ,
    "SelectObjectContent": Action.READ,
    "PutObject": Action.WRITE,
    "PostObject": Action.WRITE,
    "CopyObject": Action.WRITE,
    "CompleteMultipartUpload": Action.WRITE,
    "UploadPartCopy": Action.WRITE,
    "DeleteObject": Action.DELETE,
    "DeleteObjects": Action.DELETE,
}
_NO_CONTENT = frozenset(
    {
        "AbortMultipartUpload",
        "CreateMultipartUpload",
        "DeleteObjectTagging",
        "GetObjectAcl",
        "GetObjectAttributes",
        "GetObjectLegalHold",
        "GetObjectRetention",
        "GetObjectTagging",
        "HeadBucket",
        "HeadObject",
        "ListMultipartUploads",
        "ListObjects",
        "ListObjectVersions",
        "ListParts",
        "PutObjectAcl",
        "PutObjectLegalHold",
        "PutObjectRetention",
        "PutObjectTagging",
        "RestoreObject",
        "UploadPart",
    }
)
"""Events that read, store or erase no object. The end of an upload stands for its parts."""
_OBJECT = "AWS::S3::Object"


def read_cloudtrail(content: bytes) -> Iterator[Reading]:
    """Return what each record of a log file says. Raises `UnreadableFileError`."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    records = document.get("Records") if isinstance(document, dict) else None
    if not isinstance(records, list):
        message = "the file is not a log of CloudTrail: it has no `Records`"
        raise UnreadableFileError(message)
    digest = blake2b(content, digest_size=16).hexdigest()
    for number, record in enumerate(records):
        yield _read(record if isinstance(record, dict) else {}, f"cloudtrail/{digest}/{number}")


def _read(record: Document, position: str) -> Reading:
    """Return what one record says; `position` identifies it if it has no id."""
    if text_of(record, "eventSource") not in ("s3.amazonaws.com", ""):
        return IGNORED
    if text_of(record, "errorCode") or not _is_data_event(record):
        return IGNORED
    name = text_of(record, "eventName")
    if name in _NO_CONTENT:
        return IGNORED
    # An event that two accounts receive has an id of its own in each, and a shared one.
    event_id = text_of(record, "sharedEventID") or text_of(record, "eventID")
    time = time_of(text_of(record, "eventTime"))
    bucket = text_of(record, "requestParameters", "bucketName")
    if not name or not event_id or time is None or not bucket:
        return _gap(GapKind.UNREADABLE_RECORD, "cloudtrail", event_id or position, time)
    if name not in _ACTIONS:
        return _gap(GapKind.UNPARSED_STATEMENT, f"s3/{name}", event_id, time)
    observations = (
        Observation(
            identity=f"cloudtrail/{event_id}/{number}",
            time=time,
            action=action,
            services=_services(object_of(record, "userIdentity")),
            dataset=f"s3://{bucket}/{key}",
            columns=None,
            attributes=_attributes(record, bucket, key),
            label=f"s3://{bucket}",
        )
        for number, (action, bucket, key) in enumerate(_uses(record, name, bucket))
    )
    return Reading(tuple(observations))


def _is_data_event(record: Document) -> bool:
    """Whether a record is a data event, which those before version 1.07 say in another field."""
    category = text_of(record, "eventCategory")
    return category == "Data" if category else record.get("managementEvent") is not True


def _gap(kind: GapKind, name: str, identity: str, time: datetime | None) -> Reading:
    gap = make_gap(kind, name, identity=identity, time=time or datetime.now(UTC))
    return Reading(gaps=(gap,))


def _uses(record: Document, name: str, bucket: str) -> Iterator[tuple[Action, str, str]]:
    """Return what was done with which bucket and key. The source of a copy is read."""
    for key in _keys(record, bucket):
        yield _ACTIONS[name], bucket, key
    source = text_of(record, "requestParameters", "x-amz-copy-source")
    if source:
        path = unquote(source.partition("?")[0]).removeprefix("/")
        source_bucket, _, source_key = path.partition("/")
        yield Action.READ, source_bucket, source_key


def _keys(record: Document, bucket: str) -> tuple[str, ...]:
    """Return the keys that a record names; an empty one stands for some objects of the bucket."""
    key = text_of(record, "requestParameters", "key")
    if key:
        return (key,)
    prefix = f":s3:::{bucket}/"
    names = (
        text_of(each, "ARN").partition(prefix)[2]
        for each in objects_of(record, "resources")
        if text_of(each, "type") == _OBJECT
    )
    return tuple(filter(None, names)) or ("",)


def _services(identity: Document) -> tuple[str, ...]:
    """Return the names of who acted: the ARN of the role or user, then its plain name."""
    issuer = object_of(identity, "sessionContext", "sessionIssuer")
    stated = (
        text_of(issuer, "arn") or text_of(identity, "arn"),
        text_of(identity, "invokedBy"),
        text_of(issuer, "userName")
        or text_of(identity, "userName")
        or text_of(identity, "accountId")
        or text_of(identity, "type"),
    )
    return tuple(filter(None, stated))


def _attributes(record: Document, bucket: str, key: str) -> dict[str, str]:
    """Return what rules can refer to, named as the semantic conventions of OpenTelemetry do."""
    stated = {
        "aws.s3.bucket": bucket,
        "aws.s3.key": key,
        "aws.cloudtrail.event_name": text_of(record, "eventName"),
        "cloud.account.id": text_of(record, "userIdentity", "accountId"),
        "cloud.region": text_of(record, "awsRegion"),
    }
    return {name: value for name, value in stated.items() if value}
