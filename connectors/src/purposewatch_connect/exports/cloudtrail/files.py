"""The records in a file, in each form in which CloudTrail's events are stored."""

import json
import re
from collections.abc import Iterator, Sequence

from purposewatch_connect.exports.reading import UnreadableFileError

_NO_LOG = "the file is not a log of CloudTrail: it has no `Records`"
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


def records_of(content: bytes) -> Iterator[object]:
    """Return the records in a file.

    They stand in one document under `Records`, as a trail delivers them, or each is a document of
    its own, bare or as the `detail` of an event of EventBridge. Such documents follow each other on
    lines or without. A digest file has none. Raises `UnreadableFileError`; what precedes a fault is
    read.
    """
    for number, document in enumerate(_documents(content)):
        records = _records(document)
        if records is None and number == 0:
            raise UnreadableFileError(_NO_LOG)
        yield from (None,) if records is None else records


def _records(document: object) -> Sequence[object] | None:
    """Return the records in a document; `None` if it is about something else."""
    if not isinstance(document, dict):
        return None
    if isinstance(records := document.get("Records"), list):
        return records
    if "digestS3Object" in document:
        return ()
    if "detail-type" in document:
        return (document.get("detail"),)
    return (document,) if "eventVersion" in document else None


def _documents(content: bytes) -> Iterator[object]:
    try:
        text = content.decode("utf-8-sig").rstrip()
    except UnicodeDecodeError:
        message = "the file is not in UTF-8"
        raise UnreadableFileError(message) from None
    if not text:
        raise UnreadableFileError(_NO_LOG)
    position = 0
    while position < len(text):
        space = _SPACE.match(text, position)
        position = space.end() if space else position
        try:
            document, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            line = text.count("\n", 0, position) + 1
            message = f"line {line} is not JSON; what follows is not read"
            raise UnreadableFileError(message) from None
        yield document
