"""Finds the violations of a page, whatever the filters, without reading the rest of them.

There are millions of violations but only as many findings as there are different flows. Almost
every filter is about a whole finding. So the findings that match are looked up first, and the
page is merged from their violations, each finding's being in the order of time in an index:

1. `heads`: for every matching finding its first violation behind the page before; of those the
   first `n` findings. No other finding has a row among the first `n`.
2. the first `n` violations of each of these, merged.

Before that a few hundred violations are looked at as they come, which is enough for what is
frequent.

INVARIANT: what one step costs depends on the number of findings and on `n`, never on the number
of violations. Filters that findings know nothing of are tested row by row, in as much time as
`MOST_EXAMINED` rows take; where that ends, the next page goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.store.tables import (
    UtcTime,
    findings,
    triage,
    violation_categories,
    violations,
)
from purposewatch_reporter.web.lists.filters import (
    FINDING_COLUMNS,
    VIOLATION_COLUMNS,
    WORST_FIRST,
    Filters,
)
from purposewatch_reporter.web.lists.keys import Key
from purposewatch_reporter.web.triage.status import Status, Target

MOST_EXAMINED = 5_000
MOST_HEADS = 100
"""Queries that are merged in one statement; SQLite takes 500."""

_GLANCED = 200
_MERGE_WEIGHS = 1_000  # one merge takes about as long as to look at so many violations
_INDEXED = ("event_id", "subject", "statement", "operation")
"""Filters that an index answers in the order of time."""

_v, _vc, _f = violations.c, violation_categories.c, findings.c
_own = triage.alias("own")
_of_finding = triage.alias("of_finding")


@dataclass(frozen=True, slots=True)
class Taken:
    """Violations in the order of the list, and where to go on; `None` at the end of it."""

    keys: list[Key]
    resume: Key | None


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
        self._severities = severities
        self._walk = walk or any(getattr(filters, name) for name in ("event_id", "subject"))
        self._by_finding = bool(severities) or any(
            getattr(filters, name) is not None for name in (*FINDING_COLUMNS, "status", "assignee")
        )

    async def take(self, connection: AsyncConnection, after: Key | None, wanted: int) -> Taken:
        """The next violations behind a key: as many as wanted unless the list ends before.

        There are fewer, too, when `MOST_EXAMINED` rows were not enough.
        """
        found: dict[Key, None] = {}
        examined = 0
        size = wanted
        walk = self._walk or not self._by_finding
        glance = not walk  # of what is frequent, the next few hundred violations hold enough
        while len(found) < wanted and examined < MOST_EXAMINED:
            if glance or walk:
                count = max(size, _GLANCED) if glance else size
                rows = list(await connection.execute(self._walked(after, count)))
                more, glance = len(rows) == count, False
                examined += len(rows)
            else:
                rows, more = await self._merge(connection, after, size)
                examined += _MERGE_WEIGHS
            for row in rows:
                after = Key(row.event_time, row.id)
                if row.matches:
                    found[after] = None
                    if len(found) == wanted:
                        return Taken(list(found), after)
            if not more:
                return Taken(list(found), None)
            size = min(size * 4, 1_000)
        return Taken(list(found), after)

    async def _merge(
        self, connection: AsyncConnection, after: Key | None, size: int
    ) -> tuple[list[Any], bool]:
        """Candidates behind a key, with whether each matches; and whether there may be more."""
        size = min(size, MOST_HEADS)
        heads = list(await connection.execute(self._heads(after, size)))
        last = None
        if len(heads) == size:  # findings were left out, whose rows all come behind this one
            last = Key(heads[-1].head_time, heads[-1].head_id)
        names = [head.fingerprint for head in heads]
        if not names and not self._own_status:
            return [], False
        rows = list(await connection.execute(self._merged(names, after, last, size)))
        return rows, last is not None or len(rows) == size

    def _walked(self, after: Key | None, size: int) -> Select[Any]:
        given = [name for name in VIOLATION_COLUMNS if getattr(self._filters, name) is not None]
        lead = next((name for name in given if name in _INDEXED), None)
        given = [name for name in given if name != lead]
        # what is looked at is settled before it is tested, or PostgreSQL would test every row
        seen = (
            select(_v.event_time, _v.id, *(_v[VIOLATION_COLUMNS[name]] for name in given))
            .where(
                *([] if lead is None else [self._equals(_v, lead)]),
                *self._bounds(_v.event_time, _v.id, after),
            )
            .order_by(*self._sorted(_v.event_time, _v.id))
            .limit(size)
            .cte("seen")
            .prefix_with("MATERIALIZED")
        )
        fits = [self._equals(seen.c, name) for name in given]
        if self._by_finding:
            fits.append(self._is_listed(seen.c.id))
            if self._severities:
                fits.append(~self._listed_before(seen.c.id))
        matches = and_(*fits) if fits else true()
        return select(seen.c.event_time, seen.c.id, matches.label("matches")).order_by(
            *self._sorted(seen.c.event_time, seen.c.id)
        )

    def _heads(self, after: Key | None, size: int) -> Select[Any]:
        behind = (
            select(_vc.event_time)
            .where(
                _vc.fingerprint == _f.fingerprint,
                *self._bounds(_vc.event_time, _vc.violation_id, after),
            )
            .order_by(*self._sorted(_vc.event_time, _vc.violation_id))
            .limit(1)
        )
        head_time = behind.scalar_subquery()
        head_id = behind.with_only_columns(_vc.violation_id).scalar_subquery()
        heads = (
            self.finding_fits()
            .add_columns(head_time.label("head_time"), head_id.label("head_id"))
            .cte("heads")
            .prefix_with("MATERIALIZED")  # or each would be looked for again to be compared
        )
        return (
            select(heads)
            .where(heads.c.head_time.is_not(None))
            .order_by(*self._sorted(heads.c.head_time, heads.c.head_id))
            .limit(size)
        )

    def _merged(
        self, fingerprints: Sequence[str], after: Key | None, last: Key | None, size: int
    ) -> Select[Any]:
        branches: list[Select[Any]] = [
            select(_vc.event_time, _vc.violation_id.label("id"))
            .where(
                _vc.fingerprint == fingerprint,
                *self._bounds(_vc.event_time, _vc.violation_id, after),
            )
            .order_by(*self._sorted(_vc.event_time, _vc.violation_id))
            .limit(size)
            for fingerprint in fingerprints
        ]
        own = self._own_fits()
        if own is not None:
            branches.append(self._own_rows(own, after, size))
        entries = union_all(*(select(branch.subquery()) for branch in branches)).subquery("entries")
        keys = (
            select(entries.c.event_time, entries.c.id)
            .distinct()
            .where(*([] if last is None else [self._up_to(entries.c, last)]))
            .order_by(*self._sorted(entries.c.event_time, entries.c.id))
            .limit(size)
            .subquery("keys")
        )
        return (
            select(keys.c.event_time, keys.c.id, self._row_fits(keys.c.id).label("matches"))
            .select_from(keys.join(violations, _v.id == keys.c.id))
            .order_by(*self._sorted(keys.c.event_time, keys.c.id))
        )

    def finding_fits(self) -> Select[Any]:
        """The findings that match."""
        asked = self._filters
        query = select(_f.fingerprint).where(
            *(
                _f[column] == str(getattr(asked, name))
                for name, column in FINDING_COLUMNS.items()
                if getattr(asked, name) is not None
            )
        )
        if asked.since is not None:
            query = query.where(_f.last_event_time >= asked.since)
        if asked.until is not None:
            query = query.where(_f.first_event_time < asked.until)
        if self._severities:
            query = query.where(_f.severity.in_([str(each) for each in self._severities]))
        if self._own_status:
            query = query.outerjoin(
                _of_finding,
                and_(
                    _of_finding.c.target_kind == str(Target.FINDING),
                    _of_finding.c.target_id == _f.fingerprint,
                ),
            ).where(*self._triage_fits(_of_finding.c))
        return query

    @property
    def _own_status(self) -> bool:
        return self._filters.status is not None or self._filters.assignee is not None

    def _triage_fits(self, columns: Any) -> list[ColumnElement[bool]]:
        fits: list[ColumnElement[bool]] = []
        if self._filters.status is not None:
            stated = func.coalesce(columns.status, str(Status.OPEN))
            fits.append(stated == str(self._filters.status))
        if self._filters.assignee is not None:
            # never null: what does not fit is asked for as well
            fits.append(func.coalesce(columns.assignee, "") == self._filters.assignee)
        return fits

    def _own_fits(self) -> ColumnElement[bool] | None:
        return and_(*self._triage_fits(_own.c)) if self._own_status else None

    def _own_rows(self, own: ColumnElement[bool], after: Key | None, size: int) -> Select[Any]:
        """Violations whose own triage matches; so many as people have triaged one by one."""
        plain = self._without_triage()
        return (
            select(_v.event_time, _v.id)
            .select_from(_own.join(violations, _v.id == _own.c.target_id))
            .where(
                _own.c.target_kind == str(Target.VIOLATION),
                own,
                _in_findings(_v.id, plain.finding_fits()),
                *self._bounds(_v.event_time, _v.id, after),
            )
            .order_by(*self._sorted(_v.event_time, _v.id))
            .limit(size)
        )

    def _is_listed(self, name: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether one of its findings matches; own triage counts before that of findings."""
        listed = _in_findings(name, self.finding_fits())
        own = self._own_fits()
        if own is None:
            return listed
        is_own = exists().where(
            _own.c.target_kind == str(Target.VIOLATION), _own.c.target_id == name
        )
        plain = self._without_triage()
        of_any = _in_findings(name, plain.finding_fits())
        return or_(and_(~is_own, listed), and_(is_own.where(own), of_any))

    def _without_triage(self) -> "Matching":
        plain = self._filters.model_copy(update={"status": None, "assignee": None})
        return Matching(plain, severities=self._severities)

    def _row_fits(self, name: ColumnElement[Any]) -> ColumnElement[bool]:
        """What findings know nothing of."""
        fits = [
            self._equals(_v, each)
            for each in VIOLATION_COLUMNS
            if getattr(self._filters, each) is not None
        ]
        if self._own_status:
            other = exists().where(
                _own.c.target_kind == str(Target.VIOLATION),
                _own.c.target_id == name,
                ~and_(*self._triage_fits(_own.c)),
            )
            fits.append(~other)
        if self._severities:
            fits.append(~self._listed_before(name))
        return and_(*fits) if fits else true()

    def _listed_before(self, name: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether one of its findings matched in a turn of a worse severity."""
        worse = WORST_FIRST[: WORST_FIRST.index(self._severities[0])]
        if not worse:
            return false()
        return Matching(self._filters, severities=worse)._is_listed(name)  # noqa: SLF001 - this class

    def _equals(self, columns: Any, name: str) -> ColumnElement[bool]:
        equal: ColumnElement[bool] = columns[VIOLATION_COLUMNS[name]] == getattr(
            self._filters, name
        )
        return equal

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


def _in_findings(name: ColumnElement[Any], fits: Select[Any]) -> ColumnElement[bool]:
    # looked up for each row: with EXISTS, PostgreSQL may read the categories of all violations
    found = fits.where(_vc.violation_id == name, _vc.fingerprint == _f.fingerprint)
    return found.limit(1).scalar_subquery().is_not(None)
