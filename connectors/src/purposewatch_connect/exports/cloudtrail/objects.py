"""Which objects of which buckets a record is about."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from purposewatch_connect.documents import Document, objects_of, text_of

_ARN = re.compile(
    r"arn:[a-z-]+:(?:s3:::|s3express:[^:/]*:\d*:bucket/)(?P<bucket>[^/]+)(?:/(?P<key>.+))?",
    re.DOTALL,
)
"""Of a bucket or an object in one. In a directory bucket, ARNs name region and account."""
_OBJECTS = ("AWS::S3::Object", "AWS::S3Express::Object")


class ObjectName(NamedTuple):
    """An object; an empty key stands for some objects of the bucket."""

    bucket: str
    key: str


def is_about_objects(record: Document) -> bool:
    """Whether a record lists objects among its resources, known by their names or not."""
    return any(text_of(each, "type") in _OBJECTS for each in objects_of(record, "resources"))


def bucket_of(record: Document) -> str:
    """Return the bucket that was used, empty if none is named.

    A request through an access point names that instead; then the resources name the bucket.
    """
    stated = text_of(record, "requestParameters", "bucketName")
    listed = [name.bucket for name in _resources(record)]
    if stated in listed or not listed:
        return stated.rpartition("/")[2] if stated.startswith("arn:") else stated
    return listed[0]


def keys_of(record: Document, bucket: str) -> tuple[str, ...]:
    """Return the keys that a record names; an empty one if it names none, as `DeleteObjects`."""
    key = text_of(record, "requestParameters", "key") or text_of(record, "requestParameters", "Key")
    if key:
        return (key,)
    listed = (name.key for name in _resources(record) if name.bucket == bucket and name.key)
    return tuple(listed) or ("",)


def copied(record: Document, copy: ObjectName) -> ObjectName | None:
    """Return the object of which a copy was made, if any.

    The header names it with its bucket as in a URL, or by the ARN of an access point; then it is
    the other object among the resources.
    """
    source = text_of(record, "requestParameters", "x-amz-copy-source")
    if not source:
        return None
    path = unquote(source.partition("?")[0]).removeprefix("/")
    if not path.startswith("arn:"):
        bucket, _, key = path.partition("/")
        return ObjectName(bucket, key)
    others = (name for name in _resources(record) if name.key and name != copy)
    point, _, key = path.partition("/object/")
    return next(others, ObjectName(point.rpartition("/")[2], key))


def _resources(record: Document) -> Iterator[ObjectName]:
    for each in objects_of(record, "resources"):
        found = _ARN.fullmatch(text_of(each, "ARN"))
        if found is not None:
            yield ObjectName(found["bucket"], found["key"] or "")
