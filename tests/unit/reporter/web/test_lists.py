"""Lists: what matches, in which order, page by page; held to a plain search in Python."""

import base64
import itertools
import json
import random
from datetime import timedelta

import pytest

from purposewatch_reporter.findings.queries import matching
from purposewatch_reporter.findings.queries.cursor import Cursor, read_cursor
from purposewatch_reporter.findings.queries.export import csv_lines, exported, json_lines
from purposewatch_reporter.findings.queries.filters import WORST_FIRST, Filters, ListQuery, Order
from purposewatch_reporter.findings.queries.rows import Row, load_rows
from purposewatch_reporter.findings.queries.violation_page import read_page
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.findings.triage import Action, Target, TriageCommand, TriageState
from purposewatch_reporter.findings.triage_store import apply
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.parameters import Key
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.records import in_topic, verdict
from tests.unit.reporter.web.conftest import NOW, Browser

KINDS = ("undeclared_purpose", "prohibited", "undeclared_third_party_sharing")
CATEGORIES = ("user.name", "user.contact.email", "user.financial", "user.device")


async def record_many(ledger_writer: LedgerWriter, count: int, chance: random.Random) -> None:
    """Record violations of a few flows, many of them at the same moment."""
    values = []
    for offset in range(count):
        outcome = chance.choice(["violation", "violation", "unknown"])
        value = verdict(
            0,
            offset,
            outcome=outcome,
            kind=chance.choice(KINDS) if outcome == "violation" else None,
            categories=dict.fromkeys(chance.sample(CATEGORIES, chance.choice([1, 1, 3])), outcome),
            event_time=(NOW - timedelta(minutes=chance.randrange(12))).isoformat(),
            publisher=chance.choice(["crm", "shop"]),
            role=chance.choice(["member", "visitor"]),
        )
        value["data"]["operation"] = chance.choice(["use", "share"])
        value["policy"]["version"] = str(offset % 7 // 6)
        values.append(value)
    await ledger_writer.record_verdicts(in_topic("verdicts", values))


async def triage_some(database: Database, rows: list[Row], chance: random.Random) -> None:
    """Triage some violations by themselves, and some findings."""
    acts = (Action.ACKNOWLEDGE, Action.RESOLVE, Action.ASSIGN)
    names = sorted({part.fingerprint for row in rows for part in row.parts})
    targets = [(Target.VIOLATION, row.id) for row in chance.sample(rows, len(rows) // 4)]
    targets += [(Target.FINDING, name) for name in chance.sample(names, len(names) // 3)]
    async with database.writing() as connection:
        for target, name in targets:
            command = TriageCommand(target, name, chance.choice(acts), "olivia", assignee="victor")
            await apply(connection, command, TriageState(), NOW)


def fits(row: Row, asked: ListQuery) -> list[Severity]:
    """The severities of the row's findings that match; empty when it does not match."""
    columns = {"statement": "statement", "operation": "operation", "version": "policy_version"}
    for name, column in {**columns, "event_id": "event_id"}.items():
        wanted = getattr(asked, name)
        if wanted is not None and getattr(row, column) != wanted:
            return []
    if asked.since is not None and row.event_time < asked.since:
        return []
    if asked.until is not None and row.event_time >= asked.until:
        return []
    found = []
    for part in row.parts:
        own = row.own_status is not None
        values = {
            "publisher": row.publisher,
            "role": row.role,
            "category": part.category,
            "kind": part.kind,
            "severity": part.severity,
            "finding": part.fingerprint,
            "status": row.own_status if own else part.finding_status,
            "assignee": row.own_assignee if own else part.finding_assignee,
        }
        if all(
            getattr(asked, name) is None or str(getattr(asked, name)) == str(value)
            for name, value in values.items()
        ):
            found.append(part.severity)
    return found


def expected(rows: list[Row], asked: ListQuery) -> list[str]:
    """What a plain search finds, in order."""
    found = [(row, fits(row, asked)) for row in rows]
    matches = [(row, severities) for row, severities in found if severities]
    matches.sort(key=lambda item: (item[0].event_time, item[0].id))
    if asked.order is not Order.OLDEST:
        matches.reverse()
    if asked.order is Order.SEVERITY:
        matches.sort(key=lambda item: min(WORST_FIRST.index(each) for each in item[1]))
    return [row.id for row, _ in matches]


def questions(rows: list[Row], chance: random.Random) -> list[dict[str, str]]:
    """Filters of all sorts, alone and together."""
    some = rows[0]
    values: dict[str, list[str]] = {
        "publisher": ["crm", "shop", "none"],
        "role": ["member"],
        "category": list(CATEGORIES),
        "kind": [*KINDS, "unknown"],
        "severity": [str(each) for each in Severity],
        "status": ["open", "acknowledged", "resolved", "accepted"],
        "assignee": ["victor"],
        "operation": ["use"],
        "version": ["0", "1"],
        "statement": ["members.contact.use", "none"],
        "event_id": [some.event_id],
        "finding": [some.parts[0].fingerprint],
        "since": [(NOW - timedelta(minutes=5)).isoformat()],
        "until": [(NOW - timedelta(minutes=3)).isoformat()],
    }
    asked: list[dict[str, str]] = [{}]
    asked += [{name: value} for name in values for value in values[name]]
    for _ in range(25):
        names = chance.sample(list(values), chance.choice([2, 3]))
        asked.append({name: chance.choice(values[name]) for name in names})
    asked.append({"statement": "members.contact.use", "operation": "share", "version": "1"})
    return asked


async def all_rows(database: Database) -> list[Row]:
    """Every violation."""
    async with database.reading() as connection:
        taken = await matching.Matching(Filters()).take(connection, None, 10_000)
        return await load_rows(connection, [key.id for key in taken.keys])


async def all_pages(database: Database, asked: ListQuery, size: int) -> list[str]:
    """The ids on all pages, forwards."""
    found: list[str] = []
    async with database.reading() as connection:
        while True:
            page = await read_page(connection, asked, size=size)
            found += [row.id for row in page.rows]
            if page.after is None:
                return found
            asked = asked.model_copy(update={"after": page.after})


@pytest.mark.parametrize(("heads", "glanced"), [(3, 1), (20, 1), (100, 40)])
async def test_pages_hold_what_a_plain_search_finds(
    database: Database,
    ledger_writer: LedgerWriter,
    monkeypatch: pytest.MonkeyPatch,
    heads: int,
    glanced: int,
) -> None:
    """Whatever the filters, the order and the size: all of it, once, in order."""
    monkeypatch.setattr(matching, "MOST_HEADS", heads)
    monkeypatch.setattr(matching, "_GLANCED", glanced)
    chance = random.Random(5)  # noqa: S311 - the same every time
    await record_many(ledger_writer, 120, chance)
    await triage_some(database, await all_rows(database), chance)
    rows = await all_rows(database)
    assert len(rows) == 120

    for given, order in itertools.product(questions(rows, chance), Order):
        asked = ListQuery.model_validate({**given, "order": order})
        assert await all_pages(database, asked, 13) == expected(rows, asked), (given, order)


async def test_going_back_shows_the_pages_before(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """The same rows, in the same order, in every order of the list."""
    chance = random.Random(6)  # noqa: S311 - the same every time
    await record_many(ledger_writer, 60, chance)
    for given, order in itertools.product(({}, {"publisher": "crm"}), Order):
        first = ListQuery.model_validate({**given, "order": order})
        async with database.reading() as connection:
            one = await read_page(connection, first, size=9)
            two = await read_page(connection, first.model_copy(update={"after": one.after}), size=9)
            three = await read_page(
                connection, first.model_copy(update={"after": two.after}), size=9
            )
            back = await read_page(
                connection, first.model_copy(update={"before": three.before}), size=9
            )
            start = await read_page(
                connection, first.model_copy(update={"before": back.before}), size=9
            )

        assert one.before is None
        assert [row.id for row in back.rows] == [row.id for row in two.rows]
        assert [row.id for row in start.rows] == [row.id for row in one.rows]
        assert start.before is None


@pytest.mark.parametrize("order", Order)
async def test_a_search_that_finds_little_pauses_and_goes_on(
    database: Database, ledger_writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    """No page takes for ever; the pages together hold everything, forwards and backwards."""
    monkeypatch.setattr(matching, "MOST_EXAMINED", 20)
    monkeypatch.setattr(matching, "MOST_HEADS", 2)
    monkeypatch.setattr(matching, "_GLANCED", 1)
    chance = random.Random(7)  # noqa: S311 - the same every time
    await record_many(ledger_writer, 100, chance)
    rows = await all_rows(database)
    asked = ListQuery(publisher="crm", operation="share", role="member", order=order)

    assert await all_pages(database, asked, 3) == expected(rows, asked)

    found: list[str] = []
    behind_all = Key(NOW + timedelta(days=1 if order is Order.OLDEST else -1), "")
    before: str | None = Cursor(
        len(Severity) - 1 if order is Order.SEVERITY else 0, behind_all
    ).written()
    empty = 0
    async with database.reading() as connection:
        while before is not None:
            page = await read_page(connection, asked.model_copy(update={"before": before}), size=3)
            found = [row.id for row in page.rows] + found
            before, empty = page.before, empty + (not page.rows)
    assert found == expected(rows, asked)
    assert empty > 0


@pytest.mark.parametrize("given", [{}, {"publisher": "crm"}, {"status": "open"}, {"role": "none"}])
async def test_an_export_holds_everything_that_matches(
    database: Database, ledger_writer: LedgerWriter, given: dict[str, str]
) -> None:
    """As CSV and as JSON Lines, in the order of the list."""
    chance = random.Random(8)  # noqa: S311 - the same every time
    await record_many(ledger_writer, 130, chance)
    await triage_some(database, await all_rows(database), chance)
    rows = await all_rows(database)
    asked = ListQuery.model_validate(given)

    parts = [part async for part in exported(database, asked)]
    lines = "".join(map(json_lines, parts)).splitlines()
    table = "".join(map(csv_lines, parts))

    assert [json.loads(line)["id"] for line in lines] == expected(rows, asked)
    assert [line.partition(",")[0] for line in table.splitlines()] == expected(rows, asked)


async def test_exports_are_files(officer: Browser) -> None:
    """With a name, and of the filter that the page shows."""
    table = await officer.get("/violations.csv?outcome=unknown")
    lines = await officer.get("/violations.jsonl?outcome=unknown")

    assert table.headers["content-disposition"].startswith('attachment; filename="violations-')
    assert table.text.startswith("\ufeffid,event_time,")
    assert len(table.text.splitlines()) == 5
    assert {json.loads(line)["outcome"] for line in lines.text.splitlines()} == {"unknown"}


@pytest.mark.parametrize(
    "place",
    [
        '[0,["x","y"]]',
        "[0,[1,2]]",
        "[]",
        "[9,null]",
        '["0",null]',
        "[1e400,null]",
        "[[[",
        '[0,["2026-03-02T08:00:00+00:00","\\ud800"]]',
        '[0,["2026-03-02T08:00:00+00:00","\\u0000"]]',
        '[0,["0001-01-01T00:00:00+01:00","a"]]',
        '[0,["2026-03-02T08:00:00","a"]]',
    ],
)
async def test_a_cursor_that_nobody_made_is_ignored(officer: Browser, place: str) -> None:
    """The page begins at the start of the list, and says so."""
    cursor = base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")
    with pytest.raises(ValueError, match=r"."):
        read_cursor(cursor)

    for name in ("after", "before"):
        answer = await officer.get("/violations", params={name: cursor})
        assert answer.status_code == 200
        assert f"{name}: The value is not valid and is ignored" in answer.text
        assert answer.text.count("data-id=") == 8


@pytest.mark.parametrize("text", ["x", "é", "=" * 300, "%00", "\x00", "W10"])
async def test_what_is_not_a_cursor_is_ignored(officer: Browser, text: str) -> None:
    """Whatever it is."""
    answer = await officer.get("/violations", params={"after": text})

    assert answer.status_code == 200
    assert "is not valid and is ignored" in answer.text


def test_a_cursor_says_what_it_was_made_of() -> None:
    """Also between two severities."""
    for cursor in (Cursor(2, Key(NOW, "a" * 32)), Cursor(1, None)):
        assert read_cursor(cursor.written()) == cursor


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("status=nonsense", "Status"),
        ("since=never", "From"),
        ("until=0001-01-01T00:00:00%2B01:00", "Before"),
        ("until=9999-12-31T23:59:59-01:00", "Before"),
        ("severity=x", "Severity"),
        ("page=0", "page"),
        ("page=9223372036854775808", "page"),
        ("publisher=a%00b", "Publisher"),
    ],
)
async def test_a_filter_that_can_not_be_is_ignored(officer: Browser, query: str, name: str) -> None:
    """The others still apply, and the page names it and says what to do."""
    answer = await officer.get(f"/findings?{query}&role=visitor")

    assert answer.status_code == 200
    assert f"{name}: The value is not valid and is ignored" in answer.text
    assert "Clear the filters" in answer.text
    assert '<option value="visitor" selected>' in answer.text


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
async def test_nothing_is_exported_for_a_filter_that_can_not_be(
    officer: Browser, ending: str
) -> None:
    """A file holds what was asked for; nobody would see a message in it."""
    answer = await officer.get(f"/violations.{ending}?since=never")

    assert answer.status_code == 422
    assert "Clear the filters" in answer.text
    assert "content-disposition" not in answer.headers


async def test_a_span_that_can_not_be_is_ignored(officer: Browser) -> None:
    """The overview shows the usual one."""
    answer = await officer.get("/?span=1y")

    assert "span: The value is not valid and is ignored" in answer.text


async def test_empty_fields_of_a_form_stay_out_of_the_address(officer: Browser) -> None:
    """So that an address can be read and passed on."""
    answer = await officer.get("/violations?kind=prohibited&role=&purpose=&order=oldest")

    assert answer.headers["location"] == "/violations?kind=prohibited&order=oldest"


async def test_filters_offer_what_occurs_and_keep_what_is_chosen(officer: Browser) -> None:
    """With labels in the reader's language."""
    text = (await officer.get("/violations?role=visitor")).text

    assert '<option value="visitor" selected>Visitor</option>' in text
    assert '<option value="crm">crm</option>' in text
