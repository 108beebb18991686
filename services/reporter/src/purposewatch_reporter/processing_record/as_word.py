"""A record as a Word document."""

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.shared import Mm, Pt, RGBColor

from purposewatch_reporter.processing_record.document import RecordDocument
from purposewatch_reporter.processing_record.record import ActivityStatus
from purposewatch_reporter.processing_record.sheets import Entry, Mark, Row, Sheet
from purposewatch_reporter.processing_record.word_parts import (
    Cell,
    Run,
    fill_row,
    number_pages,
    plain,
    set_font,
    set_row_flag,
    write_line,
)
from purposewatch_reporter.processing_record.words import shown_day, shown_number

_SOFT = RGBColor(0x55, 0x61, 0x6F)
_AMBER = RGBColor(0x7A, 0x4B, 0x00)
_RED = RGBColor(0xA3, 0x23, 0x2D)
_GREEN = RGBColor(0x1D, 0x6A, 0x3C)
_STATUSES = {
    ActivityStatus.CONFIRMED: _GREEN,
    ActivityStatus.NEVER_SEEN: _AMBER,
    ActivityStatus.NEVER_DECLARED: _RED,
}
_MARGIN, _PAGE = 15, (297, 210)
"""In millimetres."""


def as_word(document: RecordDocument) -> bytes:
    """Return the file."""
    return _Word(document).file()


class _Word:
    def __init__(self, shown: RecordDocument) -> None:
        self._shown = shown
        self._text = shown.words.text
        self._word = Document()
        # by itself, python-docx looks each up by its name, which takes milliseconds
        self._grid = self._word.styles["Table Grid"]
        self._heading = self._word.styles["Heading 2"]

    def file(self) -> bytes:
        self._set_up()
        self._front()
        self._overview()
        self._word.add_heading(f"{self._text('declared')} · {self._text('observed')}", 1)
        for sheet in self._shown.sheets:
            self._sheet(sheet)
        self._never_seen()
        self._never_declared()
        self._word.add_heading(self._text("reading"), 1)
        for note in self._shown.notes:
            self._note(note)
        content = io.BytesIO()
        self._word.save(content)
        return content.getvalue()

    def _set_up(self) -> None:
        section = self._word.sections[0]
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = Mm(_PAGE[0]), Mm(_PAGE[1])
        section.left_margin = section.right_margin = Mm(_MARGIN)
        section.top_margin = section.bottom_margin = Mm(_MARGIN)
        for name, size in (("Normal", 8.5), ("Title", 20), ("Heading 1", 13), ("Heading 2", 10)):
            set_font(self._word.styles[name], size)
        self._word.styles["Normal"].paragraph_format.space_after = Pt(0)
        properties = self._word.core_properties
        properties.title = f"{self._text('title')}: {self._shown.name}"
        properties.author = "Purposewatch"
        properties.comments = ""
        generated = self._shown.record.scope.generated_time.astimezone(UTC).replace(tzinfo=None)
        properties.created = properties.modified = generated
        number_pages(section.footer.paragraphs[0])

    def _front(self) -> None:
        self._word.add_paragraph(self._text("title"), "Title")
        self._word.add_paragraph(self._shown.name).runs[0].bold = True
        self._note(self._text("lead"))
        rows = [[plain(heading, is_bold=True), plain(text)] for heading, text in self._shown.facts]
        for heading, lines in self._shown.parties:
            stated = [[Run(line)] for text in lines for line in text.splitlines()]
            unstated = [[Run(self._text("not_stated"), _SOFT)]]
            rows.append([plain(heading, is_bold=True), stated or unstated])
        self._table((), rows, (60, 207))
        total = self._shown.record.total
        counts = [
            *((f"status.{each}", self._shown.count(each)) for each in ActivityStatus),
            ("row.events", total.events),
            ("row.violations", total.violations),
            ("row.unknown", total.unknown),
        ]
        self._word.add_paragraph(
            " · ".join(f"{self._text(key)}: {shown_number(count)}" for key, count in counts)
        ).paragraph_format.space_before = Pt(6)
        if self._shown.unattributed:
            self._note(self._shown.unattributed)

    def _overview(self) -> None:
        self._word.add_heading(self._text("overview"), 1)
        keys = (
            "purpose",
            "data_subjects",
            "status",
            "events",
            "violations",
            "first_seen",
            "last_seen",
        )
        rows = [
            [
                plain(each.purpose, is_bold=True),
                plain(each.role),
                [[self._status(each)]],
                plain(shown_number(each.activity.tally.events)),
                plain(shown_number(each.activity.tally.violations)),
                plain(shown_day(each.activity.tally.first_time)),
                plain(shown_day(each.activity.tally.last_time)),
            ]
            for each in self._shown.sheets
        ]
        self._table([self._text(f"row.{key}") for key in keys], rows, (75, 62, 45, 20, 21, 22, 22))
        if self._shown.more_activities:
            self._note(self._shown.more_activities)

    def _sheet(self, sheet: Sheet) -> None:
        self._word.add_paragraph(f"{sheet.purpose} · {sheet.role}", self._heading)
        line = self._word.add_paragraph()
        line.paragraph_format.keep_with_next = True
        write_line(line, [self._status(sheet), Run(self._counts(sheet), _SOFT)])
        headings = [self._text(key) for key in ("activity", "declared", "observed")]
        rows = [
            [
                plain(self._text(f"row.{row.key}"), is_bold=True),
                self._declared(row),
                self._observed(row),
            ]
            for row in sheet.rows
            if row.is_shown
        ]
        self._table(headings, rows, (37, 115, 115))

    def _status(self, sheet: Sheet) -> Run:
        return Run(self._text(f"status.{sheet.status}"), _STATUSES[sheet.status], is_bold=True)

    def _counts(self, sheet: Sheet) -> str:
        tally = sheet.activity.tally
        if not tally.events:
            return ""
        parts = (
            ("events", shown_number(tally.events)),
            ("accesses", shown_number(tally.accesses)),
            ("violations", shown_number(tally.violations)),
            ("unknown", shown_number(tally.unknown)),
            ("first_seen", shown_day(tally.first_time)),
            ("last_seen", shown_day(tally.last_time)),
        )
        return "".join(f" · {self._text(f'row.{key}')}: {shown}" for key, shown in parts)

    def _declared(self, row: Row) -> Cell:
        if not row.declared:
            return [[Run(self._text("not_stated"), _SOFT)]]
        never_seen = [
            Run(f"{self._text('mark.never_seen')}: ", _AMBER, is_bold=True),
            Run("; ".join(each.text for each in row.never_seen), _SOFT),
        ]
        seen = list(self._entries(row.seen))
        return [*([seen] if seen else ()), *([never_seen] if row.never_seen else ())]

    def _observed(self, row: Row) -> Cell:
        runs = list(self._entries(row.observed))
        if row.observed_note:
            runs.append(Run(f"; {row.observed_note}" if runs else row.observed_note, _SOFT))
        return [runs or [Run(self._text("nothing"), _SOFT)] * row.is_observed]

    def _entries(self, entries: Iterable[Entry]) -> Iterator[Run]:
        """Yield few runs: each costs as much as the text of a hundred entries."""
        text = ""
        for number, entry in enumerate(entries):
            text += "; " * bool(number) + entry.text
            if entry.is_sensitive:
                text += f" ({self._text('mark.sensitive')})"
            if entry.mark is Mark.UNDECLARED:
                yield Run(text)
                yield Run(f" [{self._text('mark.undeclared')}]", _RED, is_bold=True)
                text = ""
            text += f" ({entry.note})" * bool(entry.note)
        if text:
            yield Run(text)

    def _never_seen(self) -> None:
        self._word.add_heading(self._text("never_seen.title"), 1)
        found = self._shown.never_seen
        self._note(self._text("never_seen.lead" if found else "never_seen.empty"))
        keys = ("statement", "clause", "purpose", "data_categories", "recipients")
        rows = [
            [
                plain(each.statement, is_bold=True),
                plain(each.clause),
                plain(each.purposes),
                plain(each.data_categories),
                plain(each.recipients),
            ]
            for each in found
        ]
        if rows:
            self._table([self._text(f"row.{key}") for key in keys], rows, (50, 30, 65, 82, 40))

    def _never_declared(self) -> None:
        self._word.add_heading(self._text("never_declared.title"), 1)
        found = self._shown.never_declared
        self._note(self._text("never_declared.lead" if found else "never_declared.empty"))
        keys = (
            "data_subjects",
            "data_categories",
            "purpose",
            "recipients",
            "operations",
            "kinds",
            "publishers",
            "events",
            "last_seen",
        )
        rows = [
            [
                plain(each.role),
                plain(each.data_category),
                plain(each.purpose),
                plain(each.recipient),
                plain(each.operation),
                plain(each.kinds),
                plain(each.publishers),
                plain(shown_number(each.tally.events)),
                plain(shown_day(each.tally.last_time)),
            ]
            for each in found
        ]
        widths = (28, 38, 38, 36, 24, 38, 28, 15, 22)
        if rows:
            self._table([self._text(f"row.{key}") for key in keys], rows, widths)
        if self._shown.more_flows:
            self._note(self._shown.more_flows)

    def _note(self, text: str) -> None:
        paragraph = self._word.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(4)
        write_line(paragraph, [Run(text, _SOFT)])

    def _table(
        self, headings: Sequence[str], rows: Sequence[Sequence[Cell]], widths: Sequence[int]
    ) -> None:
        """Add a table whose headings are repeated on each page, and whose rows are not split."""
        table = self._word.add_table(len(rows) + bool(headings), len(widths), self._grid)
        table.autofit = False
        for column, width in zip(table.columns, widths, strict=True):
            column.width = Mm(width)  # Word goes by the cells, other programs by the columns
        made = list(table.rows)
        if headings:
            fill_row(
                made[0], [plain(each, is_bold=True) for each in headings], widths, is_shaded=True
            )
            set_row_flag(made[0], "w:tblHeader")
        for row, cells in zip(made[bool(headings) :], rows, strict=True):
            fill_row(row, cells, widths)
            set_row_flag(row, "w:cantSplit")
        self._word.add_paragraph()
