"""Reads the fields of a form, whichever way a browser encodes them."""

import re
from urllib.parse import parse_qsl

from purposewatch_reporter.parameters import check_text

_MAX_FIELDS = 50
_MULTIPART = re.compile(r'multipart/form-data;\s*boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:\s*form-data;\s*name="([^"\r\n]*)"', re.IGNORECASE)


class UnreadableFormError(Exception):
    """The body is not a form."""


def read_fields(content_type: str, body: bytes) -> dict[str, str]:
    """Return the fields by name; of a file, its content. Of fields with one name the last counts.

    Raises `UnreadableFormError`, and `ValueError` for a text that no database can store.
    """
    multipart = _MULTIPART.match(content_type)
    try:
        if multipart is not None:
            fields = _parts(body, multipart[1].encode("latin-1"))
        else:
            fields = parse_qsl(
                body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"
            )
    except ValueError as error:
        raise UnreadableFormError from error
    return {check_text(name): check_text(value) for name, value in fields}


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, str]]:
    """Return the parts as browsers write them (RFC 7578); what is between them is refused."""
    before, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MAX_FIELDS + 1)
    if before or not parts or not parts.pop().startswith(b"--"):
        raise UnreadableFormError
    return [_part(part) for part in parts]


def _part(part: bytes) -> tuple[str, str]:
    head, separator, content = part.partition(b"\r\n\r\n")
    named = _NAME.search(head)
    if named is None or not separator:
        raise UnreadableFormError
    return named[1].decode(), content.decode("utf-8-sig").replace("\r\n", "\n")
