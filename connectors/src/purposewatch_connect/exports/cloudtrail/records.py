"""Records of CloudTrail about S3 become observations."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b

from purposewatch_connect.documents import Document, object_of, text_of, time_of
from purposewatch_connect.exports.cloudtrail.files import records_of
from purposewatch_connect.exports.cloudtrail.objects import (
    ObjectName,
    bucket_of,
    copied,
    is_about_objects,
    keys_of,
)
from purposewatch_connect.exports.reading import IGNORED, Reading
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
        "CreateSession",
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
        "PreflightRequest",
        "PutObjectAcl",
        "PutObjectLegalHold",
        "PutObjectRetention",
        "PutObjectTagging",
        "RenameObject",
        "RestoreObject",
        "UploadPart",
    }
)
"""Events that read, store or erase no object. The end of an upload stands for its parts."""
_SERVICES = frozenset({"s3", "s3express", "s3-outposts"})
"""Services of S3 whose records have this form."""


def read_cloudtrail(content: bytes) -> Iterator[Reading]:
    """Return what each record of a log file says. Raises `UnreadableFileError`."""
    digest = blake2b(content, digest_size=16).hexdigest()
    for number, record in enumerate(records_of(content)):
        yield _read(record if isinstance(record, dict) else {}, f"cloudtrail/{digest}/{number}")


def _read(record: Document, position: str) -> Reading:
    """Return what one record says; `position` identifies it if it has no id."""
    service = text_of(record, "eventSource").partition(".")[0] or "s3"
    name = text_of(record, "eventName")
    if not service.startswith("s3") or not _is_data_event(record, name):
        return IGNORED
    if text_of(record, "errorCode") or name in _NO_CONTENT:
        return IGNORED
    event_id, time, bucket = (
        _id_of(record),
        time_of(text_of(record, "eventTime")),
        bucket_of(record),
    )
    is_understood = service in _SERVICES and name in _ACTIONS
    if not name or not event_id or time is None or (is_understood and not bucket):
        return _gap(GapKind.UNREADABLE_RECORD, "cloudtrail", event_id or position, time)
    if not is_understood:
        return _gap(GapKind.UNPARSED_STATEMENT, f"{service}/{name}", event_id, time)
    observations = (
        Observation(
            identity=f"cloudtrail/{event_id}/{number}",
            time=time,
            action=action,
            services=_services(object_of(record, "userIdentity")),
            dataset=f"s3://{used.bucket}/{used.key}",
            columns=None,
            attributes=_attributes(record, used),
            label=f"s3://{used.bucket}",
        )
        for number, (action, used) in enumerate(_uses(record, name, bucket))
    )
    return Reading(tuple(observations))


def _is_data_event(record: Document, name: str) -> bool:
    """Whether a record is a data event; before version 1.06, no field says it."""
    category, is_management = text_of(record, "eventCategory"), record.get("managementEvent")
    if category:
        return category == "Data"
    if isinstance(is_management, bool):
        return not is_management
    return not name or name in _ACTIONS or is_about_objects(record)


def _id_of(record: Document) -> str:
    """Return what identifies the event, if several records are about it.

    One that two accounts receive has an id of its own in each, and a shared one. One that is
    corrected later names the first.
    """
    return (
        text_of(record, "sharedEventID")
        or text_of(record, "addendum", "originalEventID")
        or text_of(record, "eventID")
    )


def _gap(kind: GapKind, name: str, identity: str, time: datetime | None) -> Reading:
    gap = make_gap(kind, name, identity=identity, time=time or datetime.now(UTC))
    return Reading(gaps=(gap,))


def _uses(record: Document, name: str, bucket: str) -> Iterator[tuple[Action, ObjectName]]:
    """Return what was done with which objects. The source of a copy is read."""
    for key in keys_of(record, bucket):
        used = ObjectName(bucket, key)
        yield _ACTIONS[name], used
        source = copied(record, used)
        if source is not None:
            yield Action.READ, source


def _services(identity: Document) -> tuple[str, ...]:
    """Return the names of who acted: the ARN of the role or user, then its plain name.

    Of another account, only the account and the id of the principal are known, of an anonymous
    request only that, and of a service of AWS its name.
    """
    issuer = object_of(identity, "sessionContext", "sessionIssuer")
    invoked_by = text_of(identity, "invokedBy")
    stated = (
        text_of(issuer, "arn") or text_of(identity, "arn"),
        invoked_by,
        text_of(identity, "principalId").partition(":")[0],
        text_of(issuer, "userName")
        or text_of(identity, "userName")
        or text_of(identity, "accountId")
        or invoked_by
        or text_of(identity, "type"),
    )
    return tuple(filter(None, stated))


def _attributes(record: Document, used: ObjectName) -> dict[str, str]:
    """Return what rules can refer to, named as the semantic conventions of OpenTelemetry do."""
    stated = {
        "aws.s3.bucket": used.bucket,
        "aws.s3.key": used.key,
        "aws.cloudtrail.event_name": text_of(record, "eventName"),
        "cloud.account.id": text_of(record, "userIdentity", "accountId"),
        "cloud.region": text_of(record, "awsRegion"),
    }
    return {name: value for name, value in stated.items() if value}
