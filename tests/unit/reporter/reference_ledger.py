"""What the books must say, computed with plain dictionaries; and what a database says."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, select

from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.ledgers import load_ledgers


@dataclass
class PlainBooks:
    """Everything that is booked, in the simplest form there is."""

    verdicts: Counter[int] = field(default_factory=Counter)
    dead_letters: Counter[int] = field(default_factory=Counter)
    duplicates: Counter[int] = field(default_factory=Counter)
    conflicts: Counter[int] = field(default_factory=Counter)
    offsets: dict[int, set[int]] = field(default_factory=dict)
    decisions: Counter[tuple[str, ...]] = field(default_factory=Counter)
    events: Counter[tuple[str, ...]] = field(default_factory=Counter)
    violations: set[tuple[int, int]] = field(default_factory=set)
    conflicting: set[tuple[int, int]] = field(default_factory=set)
    set_aside: set[tuple[str, int, int]] = field(default_factory=set)
    findings: Counter[tuple[str, ...]] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    _ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def _news(self, position: Mapping[str, Any]) -> bool:
        seen = self.offsets.setdefault(position["partition"], set())
        if position["offset"] in seen:
            return False
        seen.add(position["offset"])
        return True

    def verdict(self, given: Mapping[str, Any]) -> None:
        """Book a verdict."""
        position = given["position"]
        if not self._news(position):
            return
        partition = position["partition"]
        place = (partition, position["offset"])
        self.verdicts[partition] += 1
        name = (given["event_source"], given["event_id"])
        digest = self._ids.setdefault(name, f"{place} {given['content_digest']}")
        if digest != f"{place} {given['content_digest']}":
            if digest.rpartition(" ")[2] == given["content_digest"]:
                self.duplicates[partition] += 1
            else:
                self.conflicts[partition] += 1
                self.conflicting.add(place)
                self.notices[given["publisher"]] += 1
            return
        data, hour = given["data"], given["event_time"][:13]
        kind = given["kind"] or "none"
        self.events[hour, data["controller"], given["publisher"], given["outcome"], kind] += 1
        for one in given["categories"]:
            self.decisions[
                hour,
                data["controller"],
                data["role"],
                one["data_category"],
                data["purpose"],
                data["recipient"],
                one["outcome"],
                one["kind"] or "none",
            ] += 1
        if given["outcome"] != "permitted":
            self.violations.add(place)
            self.findings.update(
                {
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
            )

    def dead_letter(self, given: Mapping[str, Any]) -> None:
        """Book a dead letter."""
        position = given["position"]
        if position["topic"].endswith(".events"):
            if not self._news(position):
                return
            self.dead_letters[position["partition"]] += 1
        self.set_aside.add((position["topic"], position["partition"], position["offset"]))


async def stored_books(database: Database, events_topic: str) -> PlainBooks:
    """The same, as read from a database."""
    books = PlainBooks()
    async with database.reading() as connection:
        for partition, account in (await load_ledgers(connection, events_topic)).items():
            books.offsets[partition] = {
                offset
                for start, end in account.accounted.intervals()
                for offset in range(start, end)
            }
            books.verdicts[partition] = account.verdicts
            books.dead_letters[partition] = account.dead_letters
            books.duplicates[partition] = account.duplicates
            books.conflicts[partition] = account.conflicts

        async def read(table: Table) -> list[dict[str, Any]]:
            return [dict(row._mapping) for row in await connection.execute(select(table))]

        for table, counter in (
            (tables.hourly_counts, books.decisions),
            (tables.hourly_verdicts, books.events),
        ):
            for row in await read(table):
                count = row.pop("count")
                hour = row.pop("hour").strftime("%Y-%m-%dT%H")
                counter[(hour, *row.values())] = count
        for row in await read(tables.violations):
            books.violations.add((row["partition"], row["event_offset"]))
        for row in await read(tables.id_conflicts):
            books.conflicting.add((row["partition"], row["event_offset"]))
        for row in await read(tables.dead_letters):
            books.set_aside.add(
                (row["origin_topic"], row["origin_partition"], row["origin_offset"])
            )
        for row in await read(tables.findings):
            assert row["episode_count"] == row["count"]
            books.findings[tuple(row[name] for name in Group._fields)] = row["count"]
        conflicts = [row for row in await read(tables.notices) if row["kind"] == "conflict"]
        books.notices.update({row["key"]: row["episode_count"] for row in conflicts})
    return books


def comparable(books: PlainBooks) -> dict[str, Any]:
    """Without zeroes and internal state, so that equal books are equal."""
    counters = ("verdicts", "dead_letters", "duplicates", "conflicts", "decisions", "events")
    return {
        **{name: +Counter(getattr(books, name)) for name in (*counters, "findings", "notices")},
        "offsets": {p: sorted(seen) for p, seen in sorted(books.offsets.items()) if seen},
        "violations": sorted(books.violations),
        "conflicting": sorted(books.conflicting),
        "set_aside": sorted(books.set_aside),
    }
