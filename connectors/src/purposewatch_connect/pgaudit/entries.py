"""The formats of PostgreSQL's log: csvlog, jsonlog, and stderr with a `log_line_prefix`."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

_AUDIT = "AUDIT: "
_CSV_FIELDS = 23
"""Up to and including `application_name`; later versions append further ones."""
_UTC = frozenset({"UTC", "GMT", "Etc/UTC", "+00"})
_SESSION = r"[0-9a-f]{1,16}\.[0-9a-f]{1,16}"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_NAME = ".{0,63}?"
"""As long as PostgreSQL's names are. INVARIANT: nothing in the pattern of a prefix is unbounded.

What an entry says behind its prefix is a client's text, and an entry that is not pgaudit's is
matched in every way there is. With unbounded names that takes time with the cube of its length.
"""
_WORD = r"\S{0,300}"
_DIGITS = "[0-9]{1,20}"
_MAX_PAD = 300
_ESCAPES = {
    "m": rf"(?P<time>{_TIME}\.{_DIGITS} \S{{1,40}})",
    "t": rf"(?P<time>{_TIME} \S{{1,40}})",
    "n": rf"(?P<epoch>{_DIGITS}\.{_DIGITS})",
    "u": rf"(?P<user>{_NAME})",
    "d": rf"(?P<database>{_NAME})",
    "a": rf"(?P<application>{_NAME})",
    "c": rf"(?P<session>{_SESSION})",
    "l": rf"(?P<line>{_DIGITS})",
    "p": _DIGITS,
    "P": rf"(?:{_DIGITS})?",
    "x": _DIGITS,
    "Q": f"-?{_DIGITS}",
    "s": rf"{_TIME} \S{{1,40}}",
    "e": r"[0-9A-Z]{5}",
    "v": _WORD,
    "q": "",
    "%": "%",
}
_REQUIRED = (("c",), ("l",), ("u",), ("d",), ("m", "t", "n"))


class UnreadableEntryError(Exception):
    """The entry is not in this format. The message quotes none of it."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of pgaudit."""

    session: str
    line: int
    """With the session it identifies the entry."""
    time: datetime
    user: str
    database: str
    application: str
    audit: str
    """The message behind `AUDIT: `."""


class LogFormat(Protocol):
    """Separates a log into entries, and reads one."""

    def split(self, content: bytes, *, at_rest: bool) -> Iterator[int]:
        """Yield where each complete entry ends. `at_rest`: nothing follows for now."""

    def read(self, text: str) -> LogEntry | None:
        """Read an entry; `None` if it is not pgaudit's. Raises `UnreadableEntryError`."""


class JsonFormat:
    """jsonlog: one JSON object in each line."""

    def split(self, content: bytes, *, at_rest: bool) -> Iterator[int]:
        """See `LogFormat`."""
        del at_rest
        yield from _line_ends(content)

    def read(self, text: str) -> LogEntry | None:
        """See `LogFormat`."""
        try:
            fields = json.loads(text)
            audit = _audit_of(fields["message"])
            return (
                audit
                if audit is None
                else LogEntry(
                    _text(fields["session_id"]),
                    int(fields["line_num"]),
                    _time(fields["timestamp"]),
                    _text(fields["user"]),
                    _text(fields["dbname"]),
                    _text(fields.get("application_name", "")),
                    audit,
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            raise UnreadableEntryError from None


class CsvFormat:
    """csvlog: quoted fields may hold line breaks."""

    def split(self, content: bytes, *, at_rest: bool) -> Iterator[int]:
        """See `LogFormat`."""
        del at_rest
        begin = quotes = 0
        for end in _line_ends(content):
            quotes += content.count(b'"', begin, end)
            begin = end
            if quotes % 2 == 0:
                yield end

    def read(self, text: str) -> LogEntry | None:
        """See `LogFormat`."""
        try:
            fields = _csv_fields(text)
            if len(fields) < _CSV_FIELDS:
                raise UnreadableEntryError
            audit = _audit_of(fields[13])
            return (
                audit
                if audit is None
                else LogEntry(
                    fields[5],
                    int(fields[6]),
                    _time(fields[0]),
                    fields[1],
                    fields[2],
                    fields[22],
                    audit,
                )
            )
        except (ValueError, csv.Error):
            raise UnreadableEntryError from None


class PrefixFormat:
    """stderr: each entry begins with the `log_line_prefix`; further lines of it with a tab."""

    def __init__(self, prefix: str) -> None:
        """Raises `ValueError` that says what the prefix lacks."""
        found: set[str] = set()
        pattern = ""
        for part in re.finditer(r"%(-?\d*)(.)|[^%]+", prefix):
            escape = part[2]
            if escape is None:
                pattern += re.escape(part[0])
                continue
            width = min(abs(int(part[1] or 0)), _MAX_PAD) if part[1] != "-" else 0
            pad = rf"\s{{0,{width}}}" if width else ""
            pattern += pad + (_ESCAPES.get(escape, _WORD) if escape not in found else _NAME) + pad
            found.add(escape)
        for choices in _REQUIRED:
            if not found & set(choices):
                named = " or ".join(f"`%{each}`" for each in choices)
                message = f"`log_line_prefix` lacks {named}; add it"
                raise ValueError(message)
        self._entry = re.compile(rf"{pattern}\w{{1,20}}:\s{{1,8}}{_AUDIT}(?P<audit>.*)", re.DOTALL)

    def split(self, content: bytes, *, at_rest: bool) -> Iterator[int]:
        """See `LogFormat`."""
        for end in _line_ends(content):
            if at_rest if end == len(content) else content[end : end + 1] != b"\t":
                yield end

    def read(self, text: str) -> LogEntry | None:
        """See `LogFormat`."""
        if _AUDIT not in text:
            return None
        entry = self._entry.match(text.rstrip("\n").replace("\n\t", "\n"))
        if entry is None:
            raise UnreadableEntryError
        fields = entry.groupdict()
        try:
            time = (
                datetime.fromtimestamp(float(fields["epoch"]), UTC)
                if fields.get("epoch")
                else _time(fields["time"])
            )
        except (ValueError, OverflowError, OSError):
            raise UnreadableEntryError from None
        application = fields.get("application") or ""
        return LogEntry(
            fields["session"],
            int(fields["line"]),
            time,
            fields["user"],
            fields["database"],
            "" if application == "[unknown]" else application,
            fields["audit"],
        )


def format_of(name: str, prefix: str) -> LogFormat:
    """Return the format of this name. Raises `ValueError` for an unusable prefix."""
    if name == "csvlog":
        return CsvFormat()
    return JsonFormat() if name == "jsonlog" else PrefixFormat(prefix)


def _line_ends(content: bytes) -> Iterator[int]:
    end = content.find(b"\n") + 1
    while end:
        yield end
        end = content.find(b"\n", end) + 1


def _audit_of(message: str) -> str | None:
    return message.removeprefix(_AUDIT) if message.startswith(_AUDIT) else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _csv_fields(text: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), strict=True), [])


def _time(text: str) -> datetime:
    """A time of the log. Raises `ValueError` unless it is in UTC: other abbreviations are vague."""
    moment, _, zone = text.rpartition(" ")
    if zone not in _UTC:
        raise ValueError
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)
