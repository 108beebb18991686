"""A record as CSV for spreadsheets: one line for each activity."""

import csv
import io
from collections.abc import Iterable

from purposewatch_reporter.findings.queries.export import safe_cell
from purposewatch_reporter.processing_record.document import RecordDocument
from purposewatch_reporter.processing_record.sheets import ROWS, Entry, Row, Sheet
from purposewatch_reporter.processing_record.words import shown_day

_BYTE_ORDER_MARK = "\ufeff"  # without it spreadsheets misread everything but ASCII


def as_csv(document: RecordDocument) -> str:
    """Return the lines, with headings in the document's language.

    What the operator states about the controller is repeated in each line.
    """
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(map(safe_cell, _headings(document)))
    for sheet in document.sheets:
        lines.writerow(map(safe_cell, _cells(document, sheet)))
    if document.more_activities:
        lines.writerow([safe_cell(document.more_activities)])
    return _BYTE_ORDER_MARK + text.getvalue()


def _headings(document: RecordDocument) -> Iterable[str]:
    text = document.words.text
    yield text("row.purpose")
    for key in ROWS:
        for side in ("declared", "observed"):
            yield f"{text(f'row.{key}')}: {text(side)}"
    for key in ("status", "events", "accesses", "violations", "unknown", "first_seen", "last_seen"):
        yield text(f"row.{key}")
    yield text("controller_id")
    for heading, _ in document.parties:
        yield heading


def _cells(document: RecordDocument, sheet: Sheet) -> Iterable[object]:
    yield _named(sheet.purpose, sheet.purpose_term)
    for row in sheet.rows:
        yield _declared(document, row)
        yield _observed(document, row)
    tally = sheet.activity.tally
    yield document.words.text(f"status.{sheet.status}")
    yield from (tally.events, tally.accesses, tally.violations, tally.unknown)
    yield from (shown_day(tally.first_time), shown_day(tally.last_time))
    yield document.record.scope.controller
    for _, lines in document.parties:
        yield "\n".join(lines) or document.words.text("not_stated")


def _declared(document: RecordDocument, row: Row) -> str:
    return _listed(document, row.declared) or document.words.text("not_stated")


def _observed(document: RecordDocument, row: Row) -> str:
    return "; ".join(part for part in (_listed(document, row.observed), row.observed_note) if part)


def _listed(document: RecordDocument, entries: Iterable[Entry]) -> str:
    return "; ".join(_entry(document, each) for each in entries)


def _entry(document: RecordDocument, entry: Entry) -> str:
    text = document.words.text
    mark = entry.mark and text(f"mark.{entry.mark}")
    sensitive = text("mark.sensitive") if entry.is_sensitive else ""
    beside = ", ".join(part for part in (sensitive, mark, entry.note) if part)
    name = _named(entry.text, entry.term)
    return f"{name} ({beside})" if beside else name


def _named(label: str, term: str) -> str:
    return f"{label} [{term}]" if term and term != label else label
