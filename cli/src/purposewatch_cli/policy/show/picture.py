"""The picture: whose data (left) go where (right) for what (middle), as SVG.

It needs nothing but itself, reads well on a light and on a dark page, and tells a screen reader
what it shows. A strand is as thick as many kinds of data go along it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from purposewatch_cli.policy.show.flows import Ends, Flows, Strand, flows
from purposewatch_cli.policy.show.lines import wrapped
from purposewatch_cli.policy.show.words import Wording

WIDTH = 1080
_MARGIN = 28
_TOP = 128
_GAP = 14
_COLUMNS = ((_MARGIN, 190), (425, 200), (772, 280))
"""Left edge and width of the nodes for roles, purposes and recipients."""
_LINE = 17
_MAX_EXTRA = 46
"""How much further apart than `_GAP` boxes may stand in a column that has room."""
_MANY = 3
"""So many recipients of one kind are named by their kind."""
_PADDING = 10
_LIGHT = ("#2563a8", "#b3541e", "#1f7a4d", "#8a3ffc", "#a11950", "#0f766e", "#7c5e10", "#475569")
_DARK = ("#7cb8f5", "#f5a871", "#6fd3a0", "#c5a3ff", "#f48fb8", "#5fd4c8", "#e3c25c", "#aab8ca")
_STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC","PingFang SC",\
"Microsoft YaHei","WenQuanYi Micro Hei",sans-serif;font-size:13.5px;fill:#1c2733}
.page{fill:#ffffff}.title{font-size:19px;font-weight:600}.head{font-size:12px;font-weight:600;\
letter-spacing:.04em;fill:#5b6875}.note{font-size:12px;fill:#5b6875}
.node{fill:#f3f5f8;stroke:#c9d1da}.public{stroke:#c0262d;stroke-width:2}.alarm{fill:#b3151c}
.strand{fill:none;stroke-opacity:.5;stroke-linecap:butt}.if{stroke-dasharray:7 5}
"""
_DARK_STYLE = """
text{fill:#e6ebf1}.page{fill:#12181f}.head,.note{fill:#9aa8b6}
.node{fill:#1d2630;stroke:#3c4a58}.public{stroke:#ff7b7f}.alarm{fill:#ff9a9d}
.strand{stroke-opacity:.6}
"""


@dataclass(slots=True)
class _Node:
    """A box in one of the three columns."""

    lines: list[str]
    notes: list[str]
    marker: str = "node"
    alarm: bool = False
    left: list[tuple[Ends, float]] = field(default_factory=list)
    """Strands that end here, with their thickness, from top to bottom."""
    right: list[tuple[Ends, float]] = field(default_factory=list)
    x: float = 0
    y: float = 0
    width: float = 0

    @property
    def height(self) -> float:
        text = 2 * _PADDING + _LINE * (len(self.lines) + len(self.notes)) - 3
        return max(text, *(_extent(side) + 10 for side in (self.left, self.right)))

    def anchor(self, strands: list[tuple[Ends, float]], ends: Ends) -> float:
        """Return the height at which a strand meets the box."""
        at = self.y + (self.height - _extent(strands)) / 2
        for each, thickness in strands:
            if each == ends:
                return at + thickness / 2
            at += thickness + 2
        raise KeyError(ends)


def as_svg(wording: Wording) -> str:
    """Return the picture of a policy."""
    return _Picture(wording, flows(wording.compiled)).svg()


class _Picture:
    def __init__(self, wording: Wording, shown: Flows) -> None:
        self._wording = wording
        self._shown = shown
        self._vocabulary = wording.compiled.vocabulary
        self._roles = [self._role(number) for number in range(len(shown.roles))]
        self._groups = [self._group(number) for number in range(len(shown.groups))]
        self._recipients = [self._recipient(number) for number in range(len(shown.recipients))]
        self._columns = (self._roles, self._groups, self._recipients)
        outside = wording.compiled.outside
        self._inside = sum(terms[0] not in outside for terms in shown.recipients)
        self._by_role = len({ends.role for ends in shown.strands}) > 1
        self._attach()

    def svg(self) -> str:
        bottom = self._place()
        height = round(bottom + 58)
        size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        said = f'role="img" lang="{self._wording.language}" aria-labelledby="title"'
        title = f"{self._wording.words('picture')}: {self._wording.title()}"
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} {said}>',
                f'<title id="title">{escape(title)}</title>',
                f"<style>{_STYLE}{_colours(_LIGHT)}",
                f"@media (prefers-color-scheme:dark){{{_DARK_STYLE}{_colours(_DARK)}}}</style>",
                f'<rect class="page" width="{WIDTH}" height="{height}" rx="10"/>',
                *(self._strand(ends, strand) for ends, strand in self._shown.strands.items()),
                *self._boxes(),
                *self._headings(height),
                "</svg>\n",
            ]
        )

    def _role(self, number: int) -> _Node:
        label = self._role_label(number)
        speaks = any(ends.role == number for ends in self._shown.strands)
        notes = [] if speaks else [self._wording.words("no_statement")]
        return _Node(wrapped(label, _COLUMNS[0][1] - 2 * _PADDING), notes)

    def _group(self, number: int) -> _Node:
        strands = self._shown.strands.items()
        purposes = {
            purpose
            for ends, strand in strands
            if ends.group == number
            for purpose in strand.purposes
        }
        label = self._group_label(number)
        notes = (
            []
            if purposes == {self._shown.groups[number]}
            else [self._wording.purposes(len(purposes))]
        )
        return _Node(wrapped(label, _COLUMNS[1][1] - 2 * _PADDING), notes)

    def _recipient(self, number: int) -> _Node:
        strands = self._shown.strands.items()
        categories = {
            category
            for ends, strand in strands
            if ends.recipient == number
            for category in strand.categories
        }
        words = self._wording.words
        note = self._wording.categories(len(categories))
        if sensitive := sum(map(self._vocabulary.data_categories.is_sensitive, categories)):
            note += words("joint") + words("sensitive", count=sensitive)
        taxonomy = self._vocabulary.recipients
        public = any(map(taxonomy.is_public, self._shown.recipients[number]))
        lines = wrapped(self._recipients_label(number), _COLUMNS[2][1] - 2 * _PADDING)
        return _Node(lines, [note], "node public" if public else "node", alarm=public)

    def _role_label(self, number: int) -> str:
        return self._wording.branches(self._shown.roles[number], self._vocabulary.roles)

    def _group_label(self, number: int) -> str:
        group = self._shown.groups[number]
        return self._vocabulary.purposes.label(group, self._wording.language)

    def _recipients_label(self, number: int) -> str:
        """Name recipients; many of one kind by that kind."""
        taxonomy, language = self._vocabulary.recipients, self._wording.language
        terms = self._shown.recipients[number]
        parents = [taxonomy[term].parent for term in terms]
        names: dict[str, None] = {}
        for term, parent in zip(terms, parents, strict=True):
            alike = parents.count(parent)
            if parent is not None and alike >= _MANY:
                label = taxonomy.label(parent, language)
                names[self._wording.words("kinds", label=label, count=alike)] = None
            else:
                names[taxonomy.label(term, language)] = None
        return self._wording.words("joint").join(names)

    def _attach(self) -> None:
        """Give every strand its place at the boxes, so that few strands cross."""
        widths = {ends: _thickness(strand) for ends, strand in self._shown.strands.items()}
        for ends in sorted(widths, key=lambda each: (each.group, each.recipient)):
            self._roles[ends.role].right.append((ends, widths[ends]))
        for ends in sorted(widths, key=lambda each: (each.role, each.recipient)):
            self._groups[ends.group].left.append((ends, widths[ends]))
        for ends in sorted(widths, key=lambda each: (each.recipient, each.role)):
            self._groups[ends.group].right.append((ends, widths[ends]))
        for ends in sorted(widths, key=lambda each: (each.group, each.role)):
            self._recipients[ends.recipient].left.append((ends, widths[ends]))

    def _place(self) -> float:
        """Stack the boxes of each column, centred on the highest; return where that one ends."""
        heading = 30 if 0 < self._inside < len(self._recipients) else 0
        heights = [
            sum(node.height for node in nodes) + _GAP * (len(nodes) - 1) for nodes in self._columns
        ]
        heights[2] += heading
        tallest = max(heights)
        for nodes, (x, width), height in zip(self._columns, _COLUMNS, heights, strict=True):
            extra = min((tallest - height) / (len(nodes) + 1), _MAX_EXTRA)
            y = _TOP + (tallest - height - extra * (len(nodes) - 1)) / 2
            for number, node in enumerate(nodes):
                if nodes is self._recipients and number == self._inside:
                    y += heading
                node.x, node.y, node.width = x, y, width
                y += node.height + _GAP + extra
        return _TOP + tallest

    def _strand(self, ends: Ends, strand: Strand) -> str:
        role, group = self._roles[ends.role], self._groups[ends.group]
        recipient = self._recipients[ends.recipient]
        colour = (ends.role if self._by_role else ends.group) % len(_LIGHT)
        kind = f"strand s{colour}{' if' if strand.conditional else ''}"
        first = _curve(
            role.x + role.width,
            role.anchor(role.right, ends),
            group.x,
            group.anchor(group.left, ends),
        )
        second = _curve(
            group.x + group.width,
            group.anchor(group.right, ends),
            recipient.x,
            recipient.anchor(recipient.left, ends),
        )
        return (
            f'<g class="{kind}" stroke-width="{_thickness(strand):.1f}">'
            f"<title>{escape(self._told(ends, strand))}</title>"
            f'<path d="{first}"/><path d="{second}"/></g>'
        )

    def _told(self, ends: Ends, strand: Strand) -> str:
        """Say in words what a strand is, for whoever points at it."""
        names = (
            self._role_label(ends.role),
            self._group_label(ends.group),
            self._recipients_label(ends.recipient),
        )
        count = self._wording.categories(len(strand.categories))
        return f"{' → '.join(names)}: {count}"

    def _boxes(self) -> Iterator[str]:
        for node in (node for nodes in self._columns for node in nodes):
            yield (
                f'<rect class="{node.marker}" x="{node.x:.1f}" y="{node.y:.1f}" '
                f'width="{node.width}" height="{node.height:.1f}" rx="7"/>'
            )
            rows = len(node.lines) + len(node.notes)
            y = node.y + (node.height - rows * _LINE) / 2 + 13
            for number, line in enumerate((*node.lines, *node.notes)):
                kind = "note" if number >= len(node.lines) else "alarm" * node.alarm
                yield _text(line, node.x + _PADDING + 2, y + number * _LINE, kind)

    def _headings(self, height: float) -> Iterator[str]:
        words = self._wording.words
        yield _text(self._wording.title(), _MARGIN, 42, "title")
        yield _text(self._wording.edition(), _MARGIN, 64, "note")
        heads = (words("whose"), words("what_for"), words("to_whom"))
        for (x, _), head in zip(_COLUMNS, heads, strict=True):
            yield _text(head, x, 104, "head")
        if 0 < self._inside < len(self._recipients):
            first = self._recipients[self._inside]
            yield _text(words("outside"), first.x, first.y - 10, "head")
        yield _text(words("strands"), _MARGIN, height - 24, "note")


def _thickness(strand: Strand) -> float:
    return 1.5 + 1.1 * math.sqrt(len(strand.categories))


def _extent(strands: list[tuple[Ends, float]]) -> float:
    return sum(thickness + 2 for _, thickness in strands) - 2 if strands else 0


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    middle = (x1 + x2) / 2
    return f"M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"


def _colours(palette: Sequence[str]) -> str:
    return "".join(f".s{index}{{stroke:{colour}}}" for index, colour in enumerate(palette))


def _text(text: str, x: float, y: float, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text{attribute} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
