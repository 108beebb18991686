"""Breaks text into lines by an estimate of its width, since nothing can measure it here."""

import unicodedata
from collections.abc import Iterator

_WIDE = 13.5
_NARROW = 7.3
_NO_LINE_STARTS_WITH = "、，。；：）」"  # noqa: RUF001 - the punctuation of Chinese
_NO_LINE_ENDS_WITH = "（「"  # noqa: RUF001 - the same


def wrapped(text: str, width: float) -> list[str]:
    """Return lines of at most `width` pixels; a single word may be longer."""
    lines: list[str] = []
    line = ""
    for piece in _pieces(text):
        if line and _width(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str) -> Iterator[str]:
    """Yield what may not be broken: a word with the space after it, or an ideograph."""
    piece = ""
    for char in text:
        if piece and _may_break(piece[-1], char):
            yield piece
            piece = ""
        piece += char
        if char == " ":
            yield piece
            piece = ""
    if piece:
        yield piece


def _may_break(before: str, after: str) -> bool:
    if _is_wide(after):
        return after not in _NO_LINE_STARTS_WITH and before not in _NO_LINE_ENDS_WITH
    return _is_wide(before) and before not in _NO_LINE_ENDS_WITH


def _width(text: str) -> float:
    return sum(_WIDE if _is_wide(char) else _NARROW for char in text)


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in {"W", "F"}
