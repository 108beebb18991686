"""Reading events from lines."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from purposewatch_cli.check.lines import (
    MAX_LINE_BYTES,
    EventLine,
    FaultyLine,
    parse_line,
    read_lines,
)
from purposewatch_contract import EXAMPLE_DIR, CanonicalEvent, SubmittedEvent
from purposewatch_contract.submission import FieldError

SUBMITTED = json.loads((EXAMPLE_DIR / "submitted-event.json").read_text())
CANONICAL = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())


def changed(*, data: dict[str, Any] | None = None, **attributes: Any) -> bytes:
    """The example event with other attributes and data fields."""
    event = SUBMITTED | attributes
    event["data"] = event["data"] | (data or {})
    return json.dumps(event).encode()


def fault_of(content: bytes) -> tuple[FieldError, ...]:
    line = parse_line(1, content)
    assert isinstance(line, FaultyLine)
    return line.errors


def test_submitted_and_canonical_events_are_told_apart() -> None:
    """A line may hold what publishers send or what ingest passes on."""
    stream = io.BytesIO(b"\n".join(json.dumps(each).encode() for each in (SUBMITTED, CANONICAL)))

    lines = list(read_lines(stream))

    assert [SubmittedEvent, CanonicalEvent] == [
        type(line.event) for line in lines if isinstance(line, EventLine)
    ]


def test_lines_keep_their_numbers_over_empty_ones() -> None:
    """An empty line is passed over and still counted."""
    stream = io.BytesIO(b"\n" + changed() + b"\r\n  \nnope\n")

    assert [line.number for line in read_lines(stream)] == [2, 4]


def test_a_byte_order_mark_is_passed_over() -> None:
    """Files that editors save with a byte order mark are read."""
    stream = io.BytesIO(b"\xef\xbb\xbf" + changed() + b"\n")

    assert [EventLine] == [type(line) for line in read_lines(stream)]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (changed(time="2026-03-02T09:15:00"), "/time"),
        (changed(time=1_700_000_000), "/time"),
        (changed(id=""), "/id"),
        (changed(email="someone@example.org"), "/email"),
        (changed(data={"retention_days": "30"}), "/data/retention_days"),
        (changed(data={"facts": {"consent.marketing": 1}}), "/data/facts/consent.marketing"),
        (changed(data={"data_categories": []}), "/data/data_categories"),
        (changed(data={"role": "Mr X"}), "/data/role"),
        (b"nope", ""),
        (b"[]", ""),
        (b"[" * 5_000, ""),
        (b"\xff\xfe", ""),
    ],
)
def test_a_faulty_line_names_the_field(content: bytes, field: str) -> None:
    """Whatever is wrong, the report says in which field."""
    assert [field] == [error.field for error in fault_of(content)]


@pytest.mark.parametrize(
    "content",
    [
        changed(time="born-1984-secret"),
        changed(data={"facts": {"secret@example.org": True}}),
        changed(data={"secret@example.org": 1}),
        changed(data={"role": "secret@example.org"}),
        changed(source="secret@example.org"),
        b'{"secret": "sec',
    ],
)
def test_a_report_never_quotes_what_was_sent(content: bytes) -> None:
    """Values, and names that hold values, stay out of the report."""
    assert "secret" not in " ".join(f"{each.field} {each.detail}" for each in fault_of(content))


def test_pretty_printed_json_gets_a_hint() -> None:
    """Somebody who spread an event over lines is told so."""
    assert "one line" in fault_of(b"{")[-1].detail


def test_an_endless_line_is_reported_without_being_read_into_memory() -> None:
    """A line beyond the limit is one fault, and the next line is read as usual."""
    stream = io.BytesIO(b"x" * (3 * MAX_LINE_BYTES) + b"\n" + changed() + b"\n")

    assert [(1, FaultyLine), (2, EventLine)] == [
        (line.number, type(line)) for line in read_lines(stream)
    ]


def test_every_example_file_is_readable(pytestconfig: pytest.Config) -> None:
    """The documentation's example files hold events only."""
    directory = pytestconfig.rootpath / "docs" / "examples"
    lines = [line for path in _examples(directory) for line in read_lines(io.BytesIO(path))]

    assert all(isinstance(line, EventLine) for line in lines)


def _examples(directory: Path) -> list[bytes]:
    found = [path.read_bytes() for path in sorted(directory.glob("*.jsonl"))]
    assert len(found) >= 5
    return found


def test_a_line_that_is_no_json_names_the_column_alone() -> None:
    """The line's number is that of the file; the parser only ever saw this line."""
    (line,) = read_lines(io.BytesIO(b'{"a": 1, "a": 2}\n'))

    assert isinstance(line, FaultyLine)
    assert line.errors[0].detail.endswith("name it once (column 14)")
