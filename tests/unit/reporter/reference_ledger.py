"""What the ledger must say, computed with plain dictionaries; and what a database says."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import FromClause, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.flows import counted
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.ledgers import load_ledgers
from purposewatch_reporter.store.tables import flow_counts, flow_decisions, flow_totals, flows

_STATED = (
    *("controller", "role", "operation", "purpose", "recipient", "source", "location"),
    *("retention_days", "legal_basis"),
)
_OF_EVENT = ("subject", "count")


@dataclass
class PlainLedger:
    """Everything that is recorded, in the simplest form there is."""

    verdicts: Counter[int] = field(default_factory=Counter)
    dead_letters: Counter[int] = field(default_factory=Counter)
    duplicates: Counter[int] = field(default_factory=Counter)
    conflicts: Counter[int] = field(default_factory=Counter)
    offsets: dict[int, set[int]] = field(default_factory=dict)
    decisions: Counter[tuple[str, ...]] = field(default_factory=Counter)
    events: Counter[tuple[str, ...]] = field(default_factory=Counter)
    decision_accesses: Counter[tuple[str, ...]] = field(default_factory=Counter)
    event_accesses: Counter[tuple[str, ...]] = field(default_factory=Counter)
    violation_accesses: Counter[tuple[int, int]] = field(default_factory=Counter)
    finding_accesses: Counter[tuple[str, ...]] = field(default_factory=Counter)
    flows: Counter[tuple[str | None, ...]] = field(default_factory=Counter)
    flow_accesses: Counter[tuple[str | None, ...]] = field(default_factory=Counter)
    violations: set[tuple[int, int]] = field(default_factory=set)
    conflicting: set[tuple[int, int]] = field(default_factory=set)
    dead_lettered: set[tuple[str, int, int]] = field(default_factory=set)
    findings: Counter[tuple[str, ...]] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    _ids: dict[tuple[str, str], str] = field(default_factory=dict)
    _said: dict[tuple[int, int], tuple[str, str | None]] = field(default_factory=dict)
    """Outcome and kind, where they count."""

    def _news(self, position: Mapping[str, Any]) -> bool:
        seen = self.offsets.setdefault(position["partition"], set())
        if position["offset"] in seen:
            return False
        seen.add(position["offset"])
        return True

    def verdict(self, given: Mapping[str, Any]) -> None:
        """Record a verdict."""
        position = given["position"]
        if not self._news(position):
            return
        partition = position["partition"]
        position = (partition, position["offset"])
        self._said[position] = ("permitted", None)
        self.verdicts[partition] += 1
        name = (given["event_source"], given["event_id"])
        digest = self._ids.setdefault(name, f"{position} {given['content_digest']}")
        if digest != f"{position} {given['content_digest']}":
            if digest.rpartition(" ")[2] == given["content_digest"]:
                self.duplicates[partition] += 1
            else:
                self.conflicts[partition] += 1
                self.conflicting.add(position)
                self.notices[given["publisher"]] += 1
            return
        self._said[position] = (given["outcome"], given["kind"])
        data, hour = given["data"], given["event_time"][:13]
        kind = given["kind"] or "none"
        accesses = data.get("count", 1)
        event = (hour, data["controller"], given["publisher"], given["outcome"], kind)
        self.events[event] += 1
        self.event_accesses[event] += accesses
        flow = (_flow(given), hour, given["publisher"], given["policy"]["version"], kind)
        self.flows[flow] += 1
        self.flow_accesses[flow] += accesses
        for one in given["categories"]:
            decision = (
                hour,
                data["controller"],
                data["role"],
                one["data_category"],
                data["purpose"],
                data["recipient"],
                one["outcome"],
                one["kind"] or "none",
            )
            self.decisions[decision] += 1
            self.decision_accesses[decision] += accesses
        if given["outcome"] != "permitted":
            self.violations.add(position)
            self.violation_accesses[position] = accesses
            found = {
                (
                    data["controller"],
                    data["role"],
                    one["kind"] or "unknown",
                    one["data_category"],
                    data["purpose"],
                    data["recipient"],
                    given["publisher"],
                )
                for one in given["categories"]
                if one["outcome"] != "permitted"
            }
            self.findings.update(found)
            self.finding_accesses.update(dict.fromkeys(found, accesses))

    def contradicts(self, given: Mapping[str, Any]) -> bool:
        """Whether a verdict, before it is recorded, says something else than the one recorded."""
        position = (given["position"]["partition"], given["position"]["offset"])
        if position not in self._said:
            return False
        first = self._ids.get((given["event_source"], given["event_id"]))
        if first is None or first == f"{position} {given['content_digest']}":
            return first is None or self._said[position] != (given["outcome"], given["kind"])
        return first.startswith(f"{position} ")

    def dead_letter(self, given: Mapping[str, Any]) -> None:
        """Record a dead letter."""
        position = given["position"]
        if position["topic"].endswith(".events"):
            if not self._news(position):
                return
            self.dead_letters[position["partition"]] += 1
        self.dead_lettered.add((position["topic"], position["partition"], position["offset"]))


def _flow(given: Mapping[str, Any]) -> str:
    """What makes a flow a distinct one."""
    data = {name: value for name, value in given["data"].items() if name not in _OF_EVENT}
    data["data_categories"] = sorted(data["data_categories"])
    ledger = {fact["fact"]: fact.get("value") for fact in given.get("facts", ())}
    return json.dumps([{"facts": {}, **data}, ledger], sort_keys=True)


async def _read_flows(connection: AsyncConnection, found: PlainLedger) -> None:
    totals: Counter[bytes] = Counter()
    of_flow = flow_counts.join(flow_decisions).join(flows)
    query = select(flow_counts, flow_decisions, flows).select_from(of_flow)
    for row in (await connection.execute(query)).mappings():
        stated = {name: row[flows.c[name]] for name in _STATED if row[flows.c[name]] is not None}
        stated["data_categories"] = json.loads(row[flows.c.categories])
        stated["facts"] = json.loads(row[flows.c.facts])
        flow = json.dumps([stated, json.loads(row[flows.c.ledger_facts])], sort_keys=True)
        hour = row[flow_counts.c.hour].strftime("%Y-%m-%dT%H")
        decided = (row[flow_decisions.c.version], row[flow_decisions.c.kind])
        key = (flow, hour, row[flow_counts.c.publisher], *decided)
        found.flows[key] += row[flow_counts.c["count"]]
        found.flow_accesses[key] += row[flow_counts.c.accesses]
        totals[row[flow_counts.c.decision_id]] += row[flow_counts.c["count"]]
    summed = func.sum(flow_totals.c["count"])
    query = select(flow_totals.c.decision_id, summed).group_by(flow_totals.c.decision_id)
    stored = (await connection.execute(query)).all()
    assert totals == {row[0]: row[1] for row in stored}


async def stored_ledger(database: Database, events_topic: str) -> PlainLedger:
    """The same, as read from a database."""
    found = PlainLedger()
    async with database.reading() as connection:
        for partition, ledger in (await load_ledgers(connection, events_topic)).items():
            found.offsets[partition] = {
                offset
                for start, end in ledger.accounted.intervals()
                for offset in range(start, end)
            }
            found.verdicts[partition] = ledger.verdicts
            found.dead_letters[partition] = ledger.dead_letters
            found.duplicates[partition] = ledger.duplicates
            found.conflicts[partition] = ledger.conflicts

        async def read(table: FromClause) -> list[dict[str, Any]]:
            return [dict(row._mapping) for row in await connection.execute(select(table))]

        for table, counter, of_accesses in (
            (counted.decisions, found.decisions, found.decision_accesses),
            (counted.events, found.events, found.event_accesses),
        ):
            for row in await read(table):
                count, accesses = row.pop("count"), row.pop("accesses")
                hour = row.pop("hour").strftime("%Y-%m-%dT%H")
                assert row.pop("is_other") is False
                counter[(hour, *row.values())] += count
                of_accesses[(hour, *row.values())] += accesses
        await _read_flows(connection, found)
        for row in await read(tables.violations):
            position = (row["partition"], row["event_offset"])
            found.violations.add(position)
            found.violation_accesses[position] = row["accesses"]
        for row in await read(tables.id_conflicts):
            found.conflicting.add((row["partition"], row["event_offset"]))
        for row in await read(tables.dead_letters):
            found.dead_lettered.add(
                (row["origin_topic"], row["origin_partition"], row["origin_offset"])
            )
        for row in await read(tables.findings):
            assert row["episode_count"] == row["count"]
            assert row["episode_accesses"] == row["accesses"]
            group = tuple(row[name] for name in Group._fields)
            found.findings[group] = row["count"]
            found.finding_accesses[group] = row["accesses"]
        conflicts = [row for row in await read(tables.notices) if row["kind"] == "conflict"]
        found.notices.update({row["key"]: row["episode_count"] for row in conflicts})
    return found


def comparable(ledger: PlainLedger) -> dict[str, Any]:
    """Without zeroes and internal state, so that equal ledger are equal."""
    counters = (
        *("verdicts", "dead_letters", "duplicates", "conflicts", "decisions", "events"),
        *("findings", "notices", "decision_accesses", "event_accesses"),
        *("violation_accesses", "finding_accesses", "flows", "flow_accesses"),
    )
    return {
        **{name: +Counter(getattr(ledger, name)) for name in counters},
        "offsets": {p: sorted(seen) for p, seen in sorted(ledger.offsets.items()) if seen},
        "violations": sorted(ledger.violations),
        "conflicting": sorted(ledger.conflicting),
        "dead_lettered": sorted(ledger.dead_lettered),
    }
