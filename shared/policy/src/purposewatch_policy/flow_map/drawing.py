"""Draws a picture of flows as SVG.

It needs nothing but itself, reads well on a light and on a dark page, and tells a screen reader
what it shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from purposewatch_policy.flow_map.lines import wrapped
from purposewatch_policy.flow_map.model import COLOURS, Box, FlowMap, Strand
from purposewatch_policy.flow_map.style import own_style

WIDTH = 1080
_MARGIN = 28
_TOP = 128
_GAP = 14
_COLUMNS = ((_MARGIN, 190), (425, 200), (772, 280))
"""Left edge and width of the boxes of each column."""
_LINE = 17
_MAX_EXTRA = 46
"""How much further apart than `_GAP` boxes may stand in a column that has room."""
_PADDING = 10

_Side = list[tuple[int, float]]


@dataclass(slots=True)
class _Node:
    """A box with its place."""

    box: Box
    lines: list[str]
    left: _Side = field(default_factory=list)
    """Numbers of the strands that end here, with their width, from top to bottom."""
    right: _Side = field(default_factory=list)
    x: float = 0
    y: float = 0
    width: float = 0

    @property
    def height(self) -> float:
        text = 2 * _PADDING + _LINE * (len(self.lines) + len(self.box.notes)) - 3
        return max(text, *(_extent(side) + 10 for side in (self.left, self.right)))

    def anchor(self, side: _Side, strand: int) -> float:
        """Return the height at which a strand meets the box."""
        at = self.y + (self.height - _extent(side)) / 2
        for each, width in side:
            if each == strand:
                return at + width / 2
            at += width + 2
        raise KeyError(strand)


def draw(shown: FlowMap, *, is_styled: bool = True, name: str = "title") -> str:
    """Return the picture.

    Unless it is styled itself, the page that it is a part of has the rules of `themed_style`.
    `name` is the id of its title, unique within the page.
    """
    return _Drawing(shown).svg(own_style() if is_styled else "", name)


class _Drawing:
    def __init__(self, shown: FlowMap) -> None:
        self._shown = shown
        columns = (shown.whose, shown.purposes, shown.recipients)
        self._columns = tuple(
            [_Node(box, wrapped(box.label, width - 2 * _PADDING)) for box in boxes]
            for boxes, (_, width) in zip(columns, _COLUMNS, strict=True)
        )
        self._attach()

    def svg(self, style: str, name: str) -> str:
        bottom = self._place()
        height = round(bottom + 58)
        size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        said = f'role="img" lang="{self._shown.language}" aria-labelledby="{name}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} {said}>',
                f'<title id="{name}">{escape(self._shown.title)}</title>',
                *([f"<style>{style}</style>"] if style else ()),
                f'<rect class="page" width="{WIDTH}" height="{height}" rx="10"/>',
                *(self._strand(number, each) for number, each in enumerate(self._shown.strands)),
                *self._boxes(),
                *self._headings(height),
                "</svg>\n",
            ]
        )

    def _attach(self) -> None:
        """Give every strand its place at the boxes, so that few strands cross."""
        whose, purposes, recipients = self._columns
        strands = list(enumerate(self._shown.strands))
        for number, each in sorted(strands, key=lambda it: (it[1].purpose, it[1].recipient)):
            whose[each.whose].right.append((number, each.width))
        for number, each in sorted(strands, key=lambda it: (it[1].whose, it[1].recipient)):
            purposes[each.purpose].left.append((number, each.width))
        for number, each in sorted(strands, key=lambda it: (it[1].recipient, it[1].whose)):
            purposes[each.purpose].right.append((number, each.width))
        for number, each in sorted(strands, key=lambda it: (it[1].purpose, it[1].whose)):
            recipients[each.recipient].left.append((number, each.width))

    @property
    def _is_divided(self) -> bool:
        """Whether there are recipients inside and outside the controller."""
        return 0 < self._shown.inside < len(self._shown.recipients)

    def _place(self) -> float:
        """Stack the boxes of each column, centred on the highest; return where that one ends."""
        heading = 30 if self._is_divided else 0
        heights = [
            sum(node.height for node in nodes) + _GAP * (len(nodes) - 1) for nodes in self._columns
        ]
        heights[2] += heading
        tallest = max(heights)
        for nodes, (x, width), height in zip(self._columns, _COLUMNS, heights, strict=True):
            extra = min((tallest - height) / (len(nodes) + 1), _MAX_EXTRA)
            y = _TOP + (tallest - height - extra * (len(nodes) - 1)) / 2
            for number, node in enumerate(nodes):
                if nodes is self._columns[2] and number == self._shown.inside:
                    y += heading
                node.x, node.y, node.width = x, y, width
                y += node.height + _GAP + extra
        return _TOP + tallest

    def _strand(self, number: int, strand: Strand) -> str:
        whose = self._columns[0][strand.whose]
        purpose = self._columns[1][strand.purpose]
        recipient = self._columns[2][strand.recipient]
        colour = "against" if strand.is_alarming else f"s{strand.colour % COLOURS}"
        kind = f"strand {colour}{' if' if strand.is_dashed else ''}"
        first = _curve(
            whose.x + whose.width,
            whose.anchor(whose.right, number),
            purpose.x,
            purpose.anchor(purpose.left, number),
        )
        second = _curve(
            purpose.x + purpose.width,
            purpose.anchor(purpose.right, number),
            recipient.x,
            recipient.anchor(recipient.left, number),
        )
        return (
            f'<g class="{kind}" stroke-width="{strand.width:.1f}">'
            f"<title>{escape(strand.title)}</title>"
            f'<path d="{first}"/><path d="{second}"/></g>'
        )

    def _boxes(self) -> Iterator[str]:
        for node in (node for nodes in self._columns for node in nodes):
            marker = "node public" if node.box.is_public else "node"
            yield (
                f'<rect class="{marker}" x="{node.x:.1f}" y="{node.y:.1f}" '
                f'width="{node.width}" height="{node.height:.1f}" rx="7"/>'
            )
            rows = len(node.lines) + len(node.box.notes)
            y = node.y + (node.height - rows * _LINE) / 2 + 13
            for number, line in enumerate((*node.lines, *node.box.notes)):
                kind = "note" if number >= len(node.lines) else "alarm" * node.box.is_public
                yield _text(line, node.x + _PADDING + 2, y + number * _LINE, kind)

    def _headings(self, height: float) -> Iterator[str]:
        shown = self._shown
        yield _text(shown.heading, _MARGIN, 42, "title")
        yield _text(shown.note, _MARGIN, 64, "note")
        for (x, _), head in zip(_COLUMNS, shown.column_headings, strict=True):
            yield _text(head, x, 104, "head")
        if self._is_divided:
            first = self._columns[2][shown.inside]
            yield _text(shown.outside_heading, first.x, first.y - 10, "head")
        yield _text(shown.legend, _MARGIN, height - 24, "note")


def _extent(strands: Sequence[tuple[int, float]]) -> float:
    return sum(width + 2 for _, width in strands) - 2 if strands else 0


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    middle = (x1 + x2) / 2
    return f"M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"


def _text(text: str, x: float, y: float, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text{attribute} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
