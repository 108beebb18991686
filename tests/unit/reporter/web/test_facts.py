"""Facts on the page of a violation, and the page of late facts."""

import re
from typing import Any

import pytest

from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.web.language import page_texts
from tests.unit.reporter.facts.records import CONSENT, at, fact, in_facts, in_verdicts, used
from tests.unit.reporter.records import SUBJECT
from tests.unit.reporter.web.conftest import Browser, first_id
from tests.unit.reporter.web.test_gaps import rows

FOUND = {
    "fact": CONSENT,
    "claimed": True,
    "value": False,
    "since": "2026-03-02T08:30:00Z",
    "statement": "s-2",
    "source": "/consent",
    "evidence": "receipt/s-2",
}
NOTHING = "\N{EN DASH}"
NOT_STATED = {"fact": "consent.survey", "claimed": True}


async def record(ledger_writer: LedgerWriter) -> None:
    """A contradicted claim at 9:00, between statements; one of these arrived too late."""
    stated = [
        fact("s-1", effective_from=at(8)),
        fact("s-2", value=False, effective_from=at(8, 30)),
        fact("s-3", effective_from=at(8, 45), accepted_time=at(10)),
        fact("s-4", value=False, effective_from=at(11), until=at(12)),
    ]
    await ledger_writer.record_facts(in_facts(stated))
    verdict = used(12, at(9), outcome="violation", kind="contradicted_claim")
    verdict["facts"] = [FOUND, NOT_STATED]
    await ledger_writer.record_verdicts(in_verdicts([verdict], start=12))


def tables(text: str) -> list[list[list[str]]]:
    """The tables of the section about facts: in each row the texts of its cells."""
    section = text.partition('aria-labelledby="facts-heading"')[2].partition("</section>")[0]
    return [
        [[re.sub(r"\s+", " ", cell) for cell in row] for row in rows(table)]
        for table in section.split("</table>")[:-1]
    ]


async def contradicted(officer: Browser, **options: Any) -> str:
    """The page of the violation."""
    name = await first_id(officer, "/violations?kind=contradicted_claim")
    return (await officer.get(f"/violations/{name}", **options)).text


async def test_a_violation_shows_claim_ledger_and_evidence(
    officer: Browser, ledger_writer: LedgerWriter
) -> None:
    """And says of what is not stated that it does not hold."""
    await record(ledger_writer)
    found, _ = tables(await contradicted(officer))
    first, second = (row[1:] for row in found)
    assert [row[0] for row in found] == [
        f"The person agreed to marketing{CONSENT}",
        "consent.survey",
    ]
    moment = "2026-03-02 08:30:00"
    assert first == ["holds", "does not hold", moment, "s-2receipt/s-2"]
    assert second == ["holds", "not stated, so it does not hold", NOTHING, NOTHING]


async def test_the_history_shows_what_was_used_and_what_counts_now(
    officer: Browser, ledger_writer: LedgerWriter
) -> None:
    """Newest first; the statement that came late counts at the event's time, and was not used."""
    await record(ledger_writer)
    text = await contradicted(officer)
    _, history = tables(text)
    marks = [(row[4].partition("receipt")[0], row[1], row[2]) for row in history]
    assert history[0][0] == "2026-03-02 11:00:002026-03-02 12:00:00"
    assert marks == [
        ("s-4", "does not hold", ""),
        ("s-3", "holds", "in force accepted after the verdict"),
        ("s-2", "does not hold", "used"),
        ("s-1", "holds", ""),
    ]
    assert "Nothing is stated about this fact of the subject." in text


async def test_the_sections_are_there_in_chinese(
    officer: Browser, ledger_writer: LedgerWriter
) -> None:
    """The same rows."""
    await record(ledger_writer)
    text = await contradicted(officer, headers={"Accept-Language": "zh"})
    found, history = tables(text)
    assert [row[2] for row in found] == ["不成立", page_texts("zh")("facts.not_stated")]
    assert [row[2] for row in history] == ["", "有效 在判定之后才被接收", "判定所用", ""]
    assert page_texts("zh")("because.contradicted_claim") in text


async def test_a_verdict_without_facts_has_no_such_section(officer: Browser) -> None:
    """Nor a history."""
    name = await first_id(officer, "/violations?kind=prohibited")
    assert "facts-heading" not in (await officer.get(f"/violations/{name}")).text


async def test_a_contradicted_claim_is_a_kind_like_others(
    officer: Browser, ledger_writer: LedgerWriter
) -> None:
    """It can be filtered and exported, and its finding is severe."""
    await record(ledger_writer)
    lines = (await officer.get("/violations.csv?kind=contradicted_claim")).text.splitlines()
    assert len(lines) == 2
    assert "contradicted_claim" in lines[1]
    findings = (await officer.get("/findings?kind=contradicted_claim")).text
    assert "severity-high" in findings
    assert "Contradicted claim" in findings


async def late(ledger_writer: LedgerWriter) -> None:
    """Two late statements of different facts."""
    await ledger_writer.record_verdicts(
        in_verdicts([used(12, at(9)), used(13, at(10)), used(14, at(12))], start=12)
    )
    stated = [fact(), fact("s-2", effective_from=at(11), publisher="loans", value=False)]
    await ledger_writer.record_facts(in_facts(stated))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [("s-1", "holds", "2"), ("s-2", "does not hold", "1")]),
        ("?publisher=loans", [("s-2", "does not hold", "1")]),
        ("?fact=consent.survey", []),
        ("?page=2", []),
    ],
)
async def test_late_facts_are_listed_with_the_number_of_affected_events(
    officer: Browser,
    ledger_writer: LedgerWriter,
    query: str,
    expected: list[tuple[str, ...]],
) -> None:
    """A list without a match says so, and not that nothing came late."""
    await late(ledger_writer)
    text = (await officer.get(f"/late-facts{query}")).text
    assert sorted((row[7], row[1], row[4]) for row in rows(text)) == expected
    assert "No statement came late" not in text
    assert bool(expected) == (f"/violations?subject={SUBJECT.replace(':', '%3A')}" in text)


async def test_without_late_facts_the_page_says_so(officer: Browser) -> None:
    """In both languages; what is not valid is named."""
    assert "No statement came late" in (await officer.get("/late-facts")).text
    chinese = await officer.get("/late-facts", headers={"Accept-Language": "zh"})
    assert "没有迟到的陈述" in chinese.text
    assert 'role="alert"' in (await officer.get("/late-facts?page=none")).text
