"""What python-docx has no words for: fonts for Chinese, repeated headings, page numbers."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

_LATIN, _CHINESE = "Calibri", "Microsoft YaHei"
_SHADE = "E8F0F9"


class Run(NamedTuple):
    """Some text in one look."""

    text: str
    colour: RGBColor | None = None
    is_bold: bool = False


Line = Sequence[Run]
Cell = Sequence[Line]


def plain(text: str, *, is_bold: bool = False) -> Cell:
    """Return a cell with one text."""
    return [[Run(text, is_bold=is_bold)]]


def write_line(paragraph: Any, line: Line) -> None:
    """Add runs to a paragraph."""
    for each in line:
        run = paragraph.add_run(each.text)
        if each.is_bold:
            run.bold = True
        if each.colour is not None:
            run.font.color.rgb = each.colour


def fill_row(
    row: Any, cells: Iterable[Cell], widths: Sequence[int], *, is_shaded: bool = False
) -> None:
    """Write the cells of a table's row, a paragraph for each line; widths are in millimetres."""
    for cell, lines, width in zip(row.cells, cells, widths, strict=True):
        cell.width = Mm(width)
        paragraph = cell.paragraphs[0]
        for number, line in enumerate(lines):
            if number:
                paragraph = cell.add_paragraph()
            write_line(paragraph, line)
        if is_shaded:
            shade = OxmlElement("w:shd")
            shade.set(qn("w:val"), "clear")
            shade.set(qn("w:fill"), _SHADE)
            cell._tc.get_or_add_tcPr().append(shade)  # noqa: SLF001 - its documented way


def set_row_flag(row: Any, name: str) -> None:
    """Set a property of a table's row, such as `w:tblHeader`, which repeats it on each page."""
    row._tr.get_or_add_trPr().append(OxmlElement(name))  # noqa: SLF001 - likewise


def set_font(style: Any, size: float) -> None:
    """Give a style its fonts and its size, in points."""
    style.font.name = _LATIN
    style.font.size = Pt(size)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
        fonts.attrib.pop(qn(name), None)
    fonts.set(qn("w:eastAsia"), _CHINESE)


def number_pages(paragraph: Any) -> None:
    """Write the number of the page, and of all pages."""
    for number, code in enumerate(("PAGE", "NUMPAGES")):
        if number:
            paragraph.add_run(" / ")
        field = OxmlElement("w:fldSimple")
        field.set(qn("w:instr"), code)
        paragraph._p.append(field)  # noqa: SLF001 - likewise
