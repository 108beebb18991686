"""Record findings in the transaction that records their violations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import CategoryDecision, Outcome
from purposewatch_reporter.findings.group import UNKNOWN, Group
from purposewatch_reporter.findings.severity import Severity, SeverityOf
from purposewatch_reporter.findings.silences import active_silences
from purposewatch_reporter.ledger.identity import position_id
from purposewatch_reporter.ledger.read import ReadVerdict
from purposewatch_reporter.ledger.tally import VerdictGroup
from purposewatch_reporter.store.bulk import write
from purposewatch_reporter.store.storable import storable
from purposewatch_reporter.store.tables import findings
from purposewatch_runtime.logs import get_logger

MAX_FINDINGS = 10_000
"""Beyond it, what is new is collected in one finding per kind."""

_log = get_logger(__name__)

# INVARIANT: rows are written in the order of their fingerprints, so that two reporters can't wait
# for each other. An episode begins when something that is not silenced meets a quiet finding.
_BEGINS = "(excluded.episode = 1 AND findings.state = 'quiet')"
_UPSERT = f"""ON CONFLICT (fingerprint) DO UPDATE SET
"count" = findings."count" + excluded."count",
silenced_count = findings.silenced_count + excluded.silenced_count,
accesses = findings.accesses + excluded.accesses,
silenced_accesses = findings.silenced_accesses + excluded.silenced_accesses,
first_event_time = CASE WHEN excluded.first_event_time < findings.first_event_time
    THEN excluded.first_event_time ELSE findings.first_event_time END,
last_event_time = CASE WHEN excluded.last_event_time > findings.last_event_time
    THEN excluded.last_event_time ELSE findings.last_event_time END,
last_recorded_time = CASE WHEN excluded.last_recorded_time > findings.last_recorded_time
    THEN excluded.last_recorded_time ELSE findings.last_recorded_time END,
state = CASE WHEN excluded.episode = 1 THEN 'firing' ELSE findings.state END,
episode = findings.episode + CASE WHEN {_BEGINS} THEN 1 ELSE 0 END,
episode_started_time = CASE WHEN {_BEGINS}
    THEN excluded.episode_started_time ELSE findings.episode_started_time END,
episode_count = excluded.episode_count
    + CASE WHEN {_BEGINS} THEN 0 ELSE findings.episode_count END,
episode_accesses = excluded.episode_accesses
    + CASE WHEN {_BEGINS} THEN 0 ELSE findings.episode_accesses END,
active_time = COALESCE(excluded.active_time, findings.active_time),
quiet_time = CASE WHEN {_BEGINS} THEN NULL ELSE findings.quiet_time END,
severity = excluded.severity, last_violation_id = excluded.last_violation_id,
summary = excluded.summary, statement = excluded.statement, clause = excluded.clause,
policy_version = excluded.policy_version"""


@dataclass(frozen=True, slots=True)
class JudgedCategory:
    """What a data category of a verdict that was not permitted belongs to."""

    kind: str
    fingerprint: str
    severity: Severity
    silenced: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """The findings of one verdict that is not permitted."""

    severity: Severity
    """The highest of its categories'."""
    silenced: bool
    """Whether all of its categories are silenced."""
    categories: Mapping[str, JudgedCategory]


@dataclass(slots=True)
class _Growth:
    """What a batch adds to one finding."""

    group: Group
    severity: Severity
    first: datetime
    last: datetime
    read: ReadVerdict
    """The last one."""
    decision: CategoryDecision
    count: int = 0
    accesses: int = 0
    active: int = 0
    """Those that are not silenced."""
    active_accesses: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a batch."""

    groups: Sequence[Judged]
    """In the order of the groups that were given."""
    growth: Sequence[_Growth]


class Findings:
    """Groups violations into findings; its only state is which findings it has met."""

    def __init__(self, severity_of: SeverityOf, *, limit: int = MAX_FINDINGS) -> None:
        self._severity_of = severity_of
        self._limit = limit
        self._known: set[str] = set()

    async def judge(
        self, connection: AsyncConnection, found: Sequence[VerdictGroup], now: datetime
    ) -> Judgement:
        """Assign verdicts that are not permitted to findings; write nothing."""
        if not found:
            return Judgement((), ())
        # groups that differ in the hour only belong to the same findings
        keys = [(group.read.verdict.publisher, group.key.decision) for group in found]
        parts = {
            key: _parts_of(group.read) for key, group in dict(zip(keys, found, strict=True)).items()
        }
        wanted = {finding for part in parts.values() for finding, _ in part.values()}
        admitted = await self._admit(connection, wanted)
        silences = await active_silences(connection, now)
        judged_findings = {
            finding: JudgedCategory(
                kind=finding.kind,
                fingerprint=admitted[finding].fingerprint,
                severity=self._severity_of(finding),
                silenced=any(item.matches(finding) for item in silences),
            )
            for finding in wanted
        }
        judged = {
            key: _judged(
                {category: judged_findings[finding] for category, (finding, _) in part.items()}
            )
            for key, part in parts.items()
        }
        growth: dict[str, _Growth] = {}
        for group, key in zip(found, keys, strict=True):
            for finding, decision in parts[key].values():
                _grow(growth, judged_findings[finding], admitted[finding], group, decision)
        return Judgement([judged[key] for key in keys], [growth[key] for key in sorted(growth)])

    async def record(
        self, connection: AsyncConnection, judgement: Judgement, now: datetime
    ) -> None:
        """Write what a batch adds to its findings, in one statement."""
        rows = [_row(item, now) for item in judgement.growth]
        if rows:
            columns = tuple(rows[0])
            values = [[row[name] for row in rows] for name in columns]
            await write(connection, findings, columns, values, _UPSERT)

    async def _admit(
        self, connection: AsyncConnection, wanted: set[Group]
    ) -> Mapping[Group, Group]:
        """The finding that each group goes to: its own, or the overflow when there are too many."""
        new = {group.fingerprint: group for group in wanted}
        new = {name: group for name, group in new.items() if name not in self._known}
        if not new:
            return {group: group for group in wanted}
        column = findings.c.fingerprint
        found = await connection.execute(select(column).where(column.in_(sorted(new))))
        there = set(found.scalars())
        total = (await connection.execute(select(func.count()).select_from(findings))).scalar_one()
        room = max(0, self._limit - total)
        admitted = {group: group for group in wanted}
        for name in sorted(new.keys() - there)[room:]:
            admitted[new[name]] = new[name].overflow()
            del new[name]
        if len(new.keys() - there) == room and room < len(wanted):
            _log.warning("too many findings; new ones are collected by kind", limit=self._limit)
        if len(self._known) > 2 * self._limit:
            self._known.clear()
        self._known.update(new)
        return admitted


def _rank(severity: Severity) -> int:
    return severity.rank


def _judged(categories: Mapping[str, JudgedCategory]) -> Judged:
    return Judged(
        severity=max((part.severity for part in categories.values()), key=_rank),
        silenced=all(part.silenced for part in categories.values()),
        categories=categories,
    )


def _parts_of(read: ReadVerdict) -> dict[str, tuple[Group, CategoryDecision]]:
    """The finding and the decision of each data category that was not permitted."""
    verdict = read.verdict
    data = verdict.data
    parts: dict[str, tuple[Group, CategoryDecision]] = {}
    for decision in verdict.categories:
        if decision.outcome is Outcome.PERMITTED:
            continue
        category = storable(decision.data_category)
        finding = Group(
            data.controller,
            data.role,
            str(decision.kind or UNKNOWN),
            category,
            data.purpose,
            data.recipient,
            verdict.publisher,
        )
        parts[category] = finding, decision
    return parts


def _grow(
    growth: dict[str, _Growth],
    part: JudgedCategory,
    finding: Group,
    group: VerdictGroup,
    decision: CategoryDecision,
) -> None:
    last = group.reads[-1]
    item = growth.get(part.fingerprint)
    if item is None:
        item = growth[part.fingerprint] = _Growth(
            finding, part.severity, group.first_time, group.last_time, last, decision
        )
    item.count += group.number
    item.accesses += group.accesses
    if not part.silenced:
        item.active += group.number
        item.active_accesses += group.accesses
    item.first = min(item.first, group.first_time)
    item.last = max(item.last, group.last_time)
    if part.severity is not item.severity:  # of what is beyond the limit on findings
        item.severity = max(item.severity, part.severity, key=_rank)
    if _place(last) >= _place(item.read):
        item.read, item.decision = last, decision


def _place(read: ReadVerdict) -> tuple[int, int]:
    return read.record.partition, read.record.offset


def _row(item: _Growth, now: datetime) -> dict[str, Any]:
    verdict, decision = item.read.verdict, item.decision
    active = item.active > 0
    return {
        "fingerprint": item.group.fingerprint,
        **item.group._asdict(),
        "outcome": str(decision.outcome),
        "severity": str(item.severity),
        "first_event_time": item.first,
        "last_event_time": item.last,
        "first_recorded_time": now,
        "last_recorded_time": now,
        "count": item.count,
        "silenced_count": item.count - item.active,
        "accesses": item.accesses,
        "silenced_accesses": item.accesses - item.active_accesses,
        "state": "firing" if active else "quiet",
        "episode": 1 if active else 0,
        "episode_started_time": now if active else None,
        "episode_count": item.active,
        "episode_accesses": item.active_accesses,
        "active_time": now if active else None,
        "quiet_time": None,
        "routed_episode": 0,
        "last_violation_id": position_id(verdict, item.read.log_epoch),
        "summary": storable(decision.sentence),
        "statement": _storable(decision.statement),
        "clause": _storable(decision.clause),
        "policy_version": _storable(verdict.policy.version if verdict.policy else None),
    }


def _storable(value: str | None) -> str | None:
    return None if value is None else storable(value)
