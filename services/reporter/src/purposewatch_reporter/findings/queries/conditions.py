"""The filters on findings and violations as SQL conditions.

Each condition that is about one violation looks up what it needs by that violation's id.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, true

from purposewatch_reporter.findings.queries.filters import (
    FINDING_COLUMNS,
    VIOLATION_COLUMNS,
    WORST_FIRST,
    Filters,
)
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.findings.triage import Status, Target
from purposewatch_reporter.store.tables import findings, triage, violation_categories, violations

_v, _vc, _f = violations.c, violation_categories.c, findings.c
_own = triage.alias("own")
_of_finding = triage.alias("of_finding")


class Conditions:
    """What some filters ask, in a list by severity together with the severities of a turn."""

    def __init__(self, filters: Filters, severities: Sequence[Severity] = ()) -> None:
        """Take the filters; no severities are all of them."""
        self._filters = filters
        self._severities = severities
        self.of_violations = tuple(
            name for name in VIOLATION_COLUMNS if getattr(filters, name) is not None
        )
        """The given filters that findings know nothing of, the most selective first."""
        self.have_status = filters.status is not None or filters.assignee is not None
        """Whether triage counts, where a violation's own comes before its findings'."""
        self._are_plain = not severities and all(
            getattr(filters, name) is None for name in FINDING_COLUMNS
        )
        self.are_about_findings = self.have_status or not self._are_plain

    @property
    def lookups(self) -> int:
        """About how often `is_listed` looks something up for one violation."""
        return (1 + bool(self._severities)) * (1 + self.have_status) * self.are_about_findings

    def findings(self) -> Select[Any]:
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
        if self.have_status:
            query = query.outerjoin(
                _of_finding,
                and_(
                    _of_finding.c.target_kind == str(Target.FINDING),
                    _of_finding.c.target_id == _f.fingerprint,
                ),
            ).where(*self._triage_fits(_of_finding.c))
        return query

    def own_rows(self) -> Select[Any]:
        """Violations whose own triage matches; so many as people have triaged one by one."""
        return (
            select(_v.event_time, _v.id)
            .select_from(_own.join(violations, _v.id == _own.c.target_id))
            .where(
                _own.c.target_kind == str(Target.VIOLATION),
                *self._triage_fits(_own.c),
                self._without_triage()._has_finding(_v.id),  # noqa: SLF001 - this class
            )
        )

    def equals(self, columns: Any, name: str) -> ColumnElement[bool]:
        """Whether a row matches one of `of_violations`."""
        wanted = getattr(self._filters, name)
        if name == "flow":
            wanted = bytes.fromhex(wanted)
        equal: ColumnElement[bool] = columns[VIOLATION_COLUMNS[name]] == wanted
        return equal

    def is_listed(self, name: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a violation has a finding that matches, and none in a turn before."""
        return and_(self._has_finding(name), *self._not_before(name))

    def row_fits(self, name: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a violation matches that came from a finding, or a triage, that does."""
        fits = [self.equals(_v, each) for each in self.of_violations]
        if self.have_status:
            other = exists().where(
                _own.c.target_kind == str(Target.VIOLATION),
                _own.c.target_id == name,
                ~and_(*self._triage_fits(_own.c)),
            )
            fits.append(~other)
        fits += self._not_before(name)
        return and_(*fits) if fits else true()

    def _triage_fits(self, columns: Any) -> list[ColumnElement[bool]]:
        fits: list[ColumnElement[bool]] = []
        if self._filters.status is not None:
            stated = func.coalesce(columns.status, str(Status.OPEN))
            fits.append(stated == str(self._filters.status))
        if self._filters.assignee is not None:
            # never null: what does not fit is asked for as well
            fits.append(func.coalesce(columns.assignee, "") == self._filters.assignee)
        return fits

    def _has_finding(self, name: ColumnElement[Any]) -> ColumnElement[bool]:
        if not self.are_about_findings:
            return true()  # every violation has one
        listed = _in_findings(name, self.findings())
        if not self.have_status:
            return listed
        is_own = exists().where(
            _own.c.target_kind == str(Target.VIOLATION), _own.c.target_id == name
        )
        of_any = self._without_triage()._has_finding(name)  # noqa: SLF001 - this class
        own = and_(*self._triage_fits(_own.c))
        return or_(and_(~is_own, listed), and_(is_own.where(own), of_any))

    def _not_before(self, name: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """In a list by severity: no finding of it matched in a turn of a worse one."""
        if not self._severities:
            return []
        worse = WORST_FIRST[: WORST_FIRST.index(self._severities[0])]
        if not worse:
            return []
        return [~Conditions(self._filters, worse)._has_finding(name)]  # noqa: SLF001 - this class

    def _without_triage(self) -> "Conditions":
        plain = self._filters.model_copy(update={"status": None, "assignee": None})
        return Conditions(plain, self._severities)


def _in_findings(name: ColumnElement[Any], fits: Select[Any]) -> ColumnElement[bool]:
    # looked up for each row: with EXISTS, PostgreSQL may read the categories of all violations
    found = fits.where(_vc.violation_id == name, _vc.fingerprint == _f.fingerprint)
    return found.limit(1).scalar_subquery().is_not(None)
