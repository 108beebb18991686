"""Finds the violations of a page, whatever the filters, without reading the rest of them.

There are millions of violations but only as many findings as there are different flows. Almost
every filter is about a whole finding. So the findings that match are looked up first, and the
page is merged from their violations, each finding's being in the order of time in an index:

1. `heads`: for every matching finding its first violation behind the page before; of those the
   first `n` findings. No other finding has a row among the first `n`.
2. the first `n` violations of each of these, merged.

Before that a few hundred violations are looked at as they come, which is enough for what is
frequent. Filters that findings know nothing of have an index each: then merging takes turns with
walking along these, so that what is rare in any of them is found soon.

INVARIANT: what one step costs depends on the number of findings and on `n`, never on the number
of violations. A search ends after as much time as `MOST_EXAMINED` rows take; the next page goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, select, true, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.queries.conditions import Conditions
from purposewatch_reporter.findings.queries.filters import VIOLATION_COLUMNS, Filters
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.parameters import Key
from purposewatch_reporter.store.tables import (
    UtcTime,
    findings,
    violation_categories,
    violations,
)

MOST_EXAMINED = 5_000
MOST_HEADS = 100
"""Findings that are merged in one statement; without LATERAL each is a query, SQLite takes 500."""

_GLANCED = 200
_MOST_WALKED = 1_000  # at a time
# what takes about as long as to look up one violation's findings
_MERGE_WEIGHS = 1_500
_UNTESTED_WEIGHS = 0.5

_v, _vc, _f = violations.c, violation_categories.c, findings.c


@dataclass(frozen=True, slots=True)
class Taken:
    """Violations in the order of the list, and where to go on; `None` at the end of it."""

    keys: list[Key]
    resume: Key | None
    examined: float
    """Of `MOST_EXAMINED`, what it took."""


class Matching:
    """The violations that match some filters, in the order of time."""

    def __init__(
        self,
        filters: Filters,
        *,
        newest_first: bool = True,
        severities: Sequence[Severity] = (),
        walk: bool = False,
    ) -> None:
        """Take the filters, and for a list by severity those whose turn it is.

        `walk` reads violation after violation, which is faster when most of them are wanted.
        """
        self._filters = filters
        self._descending = newest_first
        self._ask = Conditions(filters, severities)
        self._walk = (
            walk
            or not self._ask.are_about_findings
            or any(getattr(filters, name) for name in ("event_id", "subject"))
        )

    async def take(
        self, connection: AsyncConnection, after: Key | None, wanted: int, examined: float = 0
    ) -> Taken:
        """The next violations behind a key: as many as wanted unless the list ends before.

        There are fewer, too, when the time of `MOST_EXAMINED` rows, less that of those examined
        already, was not enough.
        """
        found: dict[Key, None] = {}
        before = examined
        size = wanted if self._walk else max(wanted, _GLANCED)
        heads = min(wanted, MOST_HEADS)
        walks = True
        leads = cycle(self._ask.of_violations or (None,))
        while len(found) < wanted and examined < MOST_EXAMINED:
            if walks:
                rows = list(await connection.execute(self._walked(after, size, next(leads))))
                more = len(rows) == size
                examined += len(rows) * (self._ask.lookups or _UNTESTED_WEIGHS)
                size = min(size * 4, _MOST_WALKED // (self._ask.lookups or 1))
            else:
                rows, more = await self._merge(connection, after, heads)
                examined += _MERGE_WEIGHS
                heads = MOST_HEADS
            for row in rows:
                after = Key(row.event_time, row.id)
                if row.matches:
                    found[after] = None
                    if len(found) == wanted:
                        return Taken(list(found), after, examined - before)
            if not more:
                return Taken(list(found), None, examined - before)
            walks = self._walk or (not walks and bool(self._ask.of_violations))
        return Taken(list(found), after, examined - before)

    def _walked(self, after: Key | None, size: int, lead: str | None) -> Select[Any]:
        """The next violations, along the index of one filter or, without one, that of time."""
        others = [name for name in self._ask.of_violations if name != lead]
        # what is looked at is settled before it is tested, or PostgreSQL would test every row
        seen = (
            select(_v.event_time, _v.id, *(_v[VIOLATION_COLUMNS[name]] for name in others))
            .where(
                *([] if lead is None else [self._ask.equals(_v, lead)]),
                *self._bounds(_v.event_time, _v.id, after),
            )
            .order_by(*self._sorted(_v.event_time, _v.id))
            .limit(size)
            .cte("seen")
            .prefix_with("MATERIALIZED")
        )
        fits = [self._ask.equals(seen.c, name) for name in others]
        matches = and_(*fits, self._ask.is_listed(seen.c.id))
        return select(seen.c.event_time, seen.c.id, matches.label("matches")).order_by(
            *self._sorted(seen.c.event_time, seen.c.id)
        )

    async def _merge(
        self, connection: AsyncConnection, after: Key | None, size: int
    ) -> tuple[list[Any], bool]:
        """Candidates behind a key, with whether each matches; and whether there may be more."""
        heads = list(await connection.execute(self._heads(after, size)))
        last = None
        if len(heads) == size:  # findings were left out, whose rows all come behind this one
            last = Key(heads[-1].head_time, heads[-1].head_id)
        names = [head.fingerprint for head in heads]
        if not names and not self._ask.have_status:
            return [], False
        first = self._first_of_all if connection.dialect.name == "sqlite" else self._first_laterally
        rows = list(
            await connection.execute(self._merged(first(names, after, size), after, last, size))
        )
        return rows, last is not None or len(rows) == size

    def _heads(self, after: Key | None, size: int) -> Select[Any]:
        behind = self._rows_of(_f.fingerprint, after, 1)
        head_time = behind.with_only_columns(_vc.event_time).scalar_subquery()
        head_id = behind.with_only_columns(_vc.violation_id).scalar_subquery()
        matching = self._ask.findings()
        if after is not None:  # spares looking for what can't be there
            matching = matching.where(
                _f.first_event_time <= after.time
                if self._descending
                else _f.last_event_time >= after.time
            )
        heads = (
            matching.add_columns(head_time.label("head_time"), head_id.label("head_id"))
            .cte("heads")
            .prefix_with("MATERIALIZED")  # or each would be looked for again to be compared
        )
        return (
            select(heads)
            .where(heads.c.head_time.is_not(None))
            .order_by(*self._sorted(heads.c.head_time, heads.c.head_id))
            .limit(size)
        )

    def _first_laterally(
        self, names: Sequence[str], after: Key | None, size: int
    ) -> list[Select[Any]]:
        rows = self._rows_of(_f.fingerprint, after, size).lateral()
        merged = select(rows.c.event_time, rows.c.id).select_from(findings.join(rows, true()))
        return [merged.where(_f.fingerprint.in_(names))]

    def _first_of_all(
        self, names: Sequence[str], after: Key | None, size: int
    ) -> list[Select[Any]]:
        """The same where there is no LATERAL, with several times the text."""
        each = (self._rows_of(literal(name), after, size).subquery() for name in names)
        return [select(rows) for rows in each]

    def _rows_of(
        self, fingerprint: ColumnElement[Any], after: Key | None, size: int
    ) -> Select[Any]:
        """The next violations of one finding."""
        return (
            select(_vc.event_time, _vc.violation_id.label("id"))
            .where(
                _vc.fingerprint == fingerprint,
                *self._bounds(_vc.event_time, _vc.violation_id, after),
            )
            .order_by(*self._sorted(_vc.event_time, _vc.violation_id))
            .limit(size)
        )

    def _merged(
        self, branches: list[Select[Any]], after: Key | None, last: Key | None, size: int
    ) -> Select[Any]:
        if self._ask.have_status:
            own = (
                self._ask.own_rows()
                .where(*self._bounds(_v.event_time, _v.id, after))
                .order_by(*self._sorted(_v.event_time, _v.id))
                .limit(size)
            )
            branches = [*branches, select(own.subquery())]
        entries = union_all(*branches).subquery("entries")
        keys = (
            select(entries.c.event_time, entries.c.id)
            .distinct()
            .where(*([] if last is None else [self._up_to(entries.c, last)]))
            .order_by(*self._sorted(entries.c.event_time, entries.c.id))
            .limit(size)
            .subquery("keys")
        )
        return (
            select(keys.c.event_time, keys.c.id, self._ask.row_fits(keys.c.id).label("matches"))
            .select_from(keys.join(violations, _v.id == keys.c.id))
            .order_by(*self._sorted(keys.c.event_time, keys.c.id))
        )

    def _bounds(
        self, time: ColumnElement[Any], name: ColumnElement[Any], after: Key | None
    ) -> list[ColumnElement[bool]]:
        bounds: list[ColumnElement[bool]] = []
        if self._filters.since is not None:
            bounds.append(time >= self._filters.since)
        if self._filters.until is not None:
            bounds.append(time < self._filters.until)
        if after is not None:
            place = tuple_(literal(after.time, UtcTime), literal(after.id))
            here = tuple_(time, name)
            bounds.append(here < place if self._descending else here > place)
        return bounds

    def _up_to(self, columns: Any, last: Key) -> ColumnElement[bool]:
        place = tuple_(literal(last.time, UtcTime), literal(last.id))
        here = tuple_(columns.event_time, columns.id)
        return here >= place if self._descending else here <= place

    def _sorted(
        self, time: ColumnElement[Any], name: ColumnElement[Any]
    ) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        if self._descending:
            return time.desc(), name.desc()
        return time.asc(), name.asc()
