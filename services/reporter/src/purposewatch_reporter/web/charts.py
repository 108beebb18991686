"""Charts as shapes: the position and size of each bar. Pure; templates draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from purposewatch_reporter.findings.queries.overview import Bar

WIDTH, HEIGHT = 720, 168
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 24
_LABELS = 6
_DAY = timedelta(days=1)
_LEAST_VISIBLE = 1.5


@dataclass(frozen=True, slots=True)
class Shape:
    """One rectangle of a stacked bar."""

    series: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: its rectangles, and what it stands for."""

    bar: Bar
    shapes: tuple[Shape, ...]
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    position: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A stacked bar chart over time."""

    series: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Tick, ...]
    times: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def stacked(bars: Sequence[Bar], series: Sequence[str]) -> Chart:
    """Lay the bars out, the series of each on top of one another."""
    top = nice_top(max((sum(getattr(bar, name) for name in series) for bar in bars), default=0))
    inner = HEIGHT - _TOP - _BOTTOM
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    width = max(1.0, slot - max(1.0, slot * 0.22))
    columns = []
    for number, bar in enumerate(bars):
        x = _LEFT + number * slot + (slot - width) / 2
        y = float(HEIGHT - _BOTTOM)
        shapes = []
        for name in series:
            count = getattr(bar, name)
            if count:
                height = max(_LEAST_VISIBLE, inner * count / top)
                y -= height
                shapes.append(Shape(name, _r(x), _r(y), _r(width), _r(height)))
        columns.append(Column(bar, tuple(shapes), _r(_LEFT + number * slot), _r(slot)))
    rows = tuple(
        Tick(_r(HEIGHT - _BOTTOM - inner * step / 2), short_number(top * step // 2))
        for step in range(3)
        if top > 1 or step != 1
    )
    return Chart(tuple(series), tuple(columns), rows, _times(bars, slot))


def _times(bars: Sequence[Bar], slot: float) -> tuple[Tick, ...]:
    every = max(1, -(-len(bars) // _LABELS))
    return tuple(
        Tick(_r(_LEFT + number * slot + slot / 2), _label(bar.start, bar.end - bar.start))
        for number, bar in enumerate(bars)
        if number % every == 0
    )


def _label(time: datetime, width: timedelta) -> str:
    return time.strftime("%H:%M" if width < timedelta(hours=6) else "%m-%d")


def nice_top(most: int) -> int:
    """The smallest round and even number that is not below `most`."""
    size = 1
    while True:
        for tenths in (10, 20, 30, 40, 60, 80):
            top = tenths * size // 10
            if top >= most and (top % 2 == 0 or top == 1):
                return top
        size *= 10


def short_number(number: int) -> str:
    """A number for an axis."""
    for size, suffix in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:g}{suffix}"
    return str(number)


def _r(number: float) -> float:
    return round(number, 1)
