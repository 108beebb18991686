"""One page of the list of violations."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.queries import matching
from purposewatch_reporter.findings.queries.cursor import Cursor, read_cursor
from purposewatch_reporter.findings.queries.filters import WORST_FIRST, ListQuery, Order
from purposewatch_reporter.findings.queries.rows import Row, load_rows
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.parameters import Key

PAGE_ROWS = 50

_ALL: tuple[tuple[Severity, ...], ...] = ((),)
_BY_SEVERITY = tuple((severity,) for severity in WORST_FIRST)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the cursors of the pages beside it; `None` where there is none."""

    rows: list[Row]
    before: str | None
    after: str | None
    is_cut_short: bool
    """Whether the search paused before the page was full."""


async def read_page(
    connection: AsyncConnection, asked: ListQuery, *, size: int = PAGE_ROWS
) -> Page:
    """The page behind `after`, or before `before`, or the first one."""
    back = read_cursor(asked.before) if asked.before else None
    start = back or (read_cursor(asked.after) if asked.after else None)
    found, resume = await _collect(connection, asked, start, size, backwards=back is not None)
    if back is not None:
        found.reverse()
    rows = await load_rows(connection, [key.id for _, key in found])
    first = Cursor(*found[0]).written() if found else None
    last = Cursor(*found[-1]).written() if found else None
    if back is not None:
        before = resume.written() if resume is not None else None
        return Page(rows, before, last or asked.before, not rows)
    cut_short = resume is not None and len(found) < size
    after = resume.written() if resume is not None else None
    return Page(rows, first if start is not None else None, after, cut_short)


async def _collect(
    connection: AsyncConnection,
    asked: ListQuery,
    start: Cursor | None,
    size: int,
    *,
    backwards: bool,
) -> tuple[list[tuple[int, Key]], Cursor | None]:
    """Keys with their phases in reading order, and where to go on."""
    phases = _BY_SEVERITY if asked.order is Order.SEVERITY else _ALL
    newest_first = (asked.order is not Order.OLDEST) != backwards
    step = -1 if backwards else 1
    phase = start.phase if start is not None else 0
    key = start.key if start is not None else None
    found: list[tuple[int, Key]] = []
    examined = 0.0  # in all phases together
    while 0 <= phase < len(phases):
        if examined >= matching.MOST_EXAMINED:
            return found, Cursor(phase, None)
        those = matching.Matching(asked, newest_first=newest_first, severities=phases[phase])
        taken = await those.take(connection, key, size + 1 - len(found), examined)
        examined += taken.examined
        found.extend((phase, each) for each in taken.keys)
        if len(found) > size:
            del found[size:]
            return found, Cursor(*found[-1])
        if taken.resume is not None:
            return found, Cursor(phase, taken.resume)
        phase, key = phase + step, None
    return found, None
