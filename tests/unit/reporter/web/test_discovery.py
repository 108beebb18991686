"""The page of what is new or out of the ordinary."""

import re
from pathlib import Path
from typing import Any

from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.counting.records import recorder_of
from tests.unit.reporter.counting.test_record import of_subjects, record
from tests.unit.reporter.gaps.records import gap, in_gaps
from tests.unit.reporter.web.conftest import Browser

RULE = """
rules:
  bulk:
    {flow: {purposes: [ads]}, count: subjects, more_than: 2, within_minutes: 10, severity: high}
"""


def text_of(page: str) -> str:
    """What a page says, without its marks."""
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page.partition("<main")[2]))


def elsewhere(*subjects: str) -> list[dict[str, Any]]:
    """Verdicts in a partition in which the database has none yet."""
    values = of_subjects(*subjects)
    for value in values:
        value["position"]["partition"] = 2
        value["event_id"] += "-elsewhere"
    return values


async def test_an_exceeded_rule_is_shown(
    officer: Browser, database: Database, tmp_path: Path
) -> None:
    """With rule, count, publisher and window; behind it, the flows and violations that matched."""
    await record(database, elsewhere("a", "b", "c", "a"), recorder_of(RULE, tmp_path))
    listed = (await officer.get("/discovery")).text
    assert "bulk High 3 data subjects allowed: 2 crm wework-labs" in text_of(listed)
    [address] = re.findall(r'href="(/discovery/counting/[^"]*)"', listed)
    shown = (await officer.get(address)).text
    assert "purposes: [ads]" in shown
    assert "user.contact.email" in shown
    assert re.search(r'<td class="number">4\s*</td>', shown)
    violations = re.findall(r'href="(/violations\?[^"]*)"', shown)
    time = "since=2026-03-02T08%3A00%3A00&amp;until=2026-03-02T08%3A10%3A00"
    assert violations == [f"/violations?{time}&amp;controller=wework-labs&amp;publisher=crm"]


async def test_flows_that_do_not_match_are_left_out(
    officer: Browser, database: Database, tmp_path: Path
) -> None:
    """The ledger has every flow of those hours."""
    values = elsewhere("a", "b", "c", "d")
    values[3]["data"]["purpose"] = "sales"
    await record(database, values, recorder_of(RULE, tmp_path))
    [address] = set(
        re.findall(r"/discovery/counting/[^\"]*", (await officer.get("/discovery")).text)
    )
    shown = (await officer.get(address)).text
    assert "sales" not in shown
    assert re.search(r'<td class="number">3\s*</td>', shown)


async def test_an_alert_that_is_not_there_is_not_found(officer: Browser) -> None:
    """Whatever the address says."""
    for episode in ("1", "x", "٣", "9" * 30):
        answer = await officer.get(f"/discovery/counting/{'0' * 32}/{episode}")
        assert answer.status_code == 404
    assert "No rule was exceeded" in (await officer.get("/discovery")).text


async def test_refused_terms_are_suggestions(officer: Browser, ledger_writer: LedgerWriter) -> None:
    """With terms that may be meant; those that are not named, with what is above them."""
    unknown: dict[str, Any] = {"kind": "unknown_term", "controller": "wework-labs"}
    values = [
        gap("purpose:marketing.advertisement", id="1", count=9, **unknown),
        gap("recipient:third_party.(unnamed)", id="2", count=5, **unknown),
        gap("role:(unnamed)", id="3", count=3, **unknown),
        gap("acme:thing", id="4", kind="unknown_term"),
        gap("(other)", id="5", **unknown),
    ]
    await ledger_writer.record_gaps(in_gaps(values))
    page = (await officer.get("/discovery")).text.partition('id="terms"')[2]
    rows = [text_of("<main" + row) for row in page.split("<tr>")[2:]]
    assert "marketing.advertisement Purposes wework-labs crm 9" in rows[0]
    assert "marketing.advertising" in rows[0].partition("2026")[2]
    assert "Not named, below third_party Recipients wework-labs crm 5" in rows[1]
    assert "Not named Roles wework-labs crm 3" in rows[2]
    assert "acme:thing Not known crm 1" in rows[3]
    assert len(rows) == 4
    assert "q=marketing.advertising" in page
