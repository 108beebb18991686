"""A record as a document, in every format and language."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from zipfile import ZipFile

import pytest
from docx import Document

from purposewatch_policy import CompiledPolicy
from purposewatch_policy.languages import TAGS, catalogue
from purposewatch_reporter.processing_record.as_csv import as_csv
from purposewatch_reporter.processing_record.as_html import as_html, html_policy
from purposewatch_reporter.processing_record.as_json import as_json
from purposewatch_reporter.processing_record.as_word import as_word
from purposewatch_reporter.processing_record.details import ControllerDetails, Party
from purposewatch_reporter.processing_record.document import RecordDocument, document
from purposewatch_reporter.processing_record.record import Scope
from purposewatch_reporter.processing_record.sheets import Mark, Row, Sheet
from tests.unit.policy.library import POLICY, VOCABULARY
from tests.unit.reporter.processing_record.flow_counts import COUNTS, NOW, collected, count

DETAILS = ControllerDetails(
    controller=Party("=HYPERLINK(1) <b>Library</b>", "1 Example Street\nprivacy@example.org"),
    data_protection_officer=Party("A. Example", "dpo@example.org"),
    safeguards={
        "us": "standard contractual clauses",
        "third_party.courier": "an adequacy decision",
    },
    security_measures=("encryption", "backups"),
)
PACKAGE = "purposewatch_reporter.processing_record"


def made(language: str = "en", rows: int = 500, **options: object) -> RecordDocument:
    """The library's record in a language."""
    return document(
        collected(*COUNTS, details=DETAILS, **options),  # type: ignore[arg-type]
        language,
        rows=rows,
    )


def sheet(purpose: str, shown: RecordDocument | None = None) -> Sheet:
    """The sheet of a reader's activity."""
    [found] = [
        each
        for each in (shown or made()).sheets
        if (each.purpose_term, each.role_term) == (purpose, "reader")
    ]
    return found


def rows(purpose: str, shown: RecordDocument | None = None) -> Mapping[str, Row]:
    """Its rows by their keys."""
    return {each.key: each for each in sheet(purpose, shown).rows}


def test_a_sheet_has_the_fields_of_the_template() -> None:
    """Declared beside observed; marks where one lacks the other; counts beside what was seen."""
    of = rows("service")
    assert [(each.text, each.mark) for each in of["data_categories"].declared] == [
        ("user.contact", Mark.NONE)
    ]
    assert [(each.text, each.note, each.mark) for each in of["data_categories"].observed] == [
        ("user.contact", "14", Mark.NONE),
        ("user.contact.email", "2", Mark.NONE),
        ("user.loans", "2", Mark.UNDECLARED),
    ]
    assert [each.text for each in of["grounds"].declared] == ["readers.1"]
    assert [each.text for each in of["grounds"].observed] == ["broker", "desk", "kiosk"]
    assert of["legal_bases"].observed_note == "16 of 16 events state none"
    assert [each.mark for each in rows("service.loans")["data_categories"].declared] == [
        Mark.NONE,
        Mark.NEVER_SEEN,
    ]


def test_third_countries_are_locations_outside_the_home_and_recipients_with_a_safeguard() -> None:
    """What states no location may be about one, and the record says so."""
    transfers = rows("service.loans")["transfers"]
    assert [(each.text, each.note) for each in transfers.declared] == [
        ("third_party.courier", "safeguard: an adequacy decision")
    ]
    assert [(each.text, each.note) for each in transfers.observed] == [
        ("us", "safeguard: standard contractual clauses"),
        ("third_party.courier", "safeguard: an adequacy decision"),
    ]
    assert transfers.observed_note == "3 of 8 events state none"
    assert rows("research")["transfers"].observed == ()  # in the EU
    at_home = document(collected(*COUNTS, details=ControllerDetails(home=("us",))), "en", rows=500)
    assert rows("service.loans", at_home)["transfers"].observed == ()
    assert [each.text for each in rows("research", at_home)["transfers"].observed] == ["eu"]


def test_time_limits_are_what_statements_say_and_what_events_stated() -> None:
    """Nothing is made up where neither says anything."""
    kept = document(
        collected(
            count(purpose="service.loans", retention_days=30),
            count(purpose="service.loans", retention_days=400),
            count(),
        ),
        "en",
        rows=500,
    )
    assert [each.text for each in rows("service.loans", kept)["retention"].declared] == [
        "in part, at most 30 days"  # one of three statements about it
    ]
    assert [each.text for each in rows("service.loans", kept)["retention"].observed] == [
        "30 to 400 days"
    ]
    assert rows("service", kept)["retention"].declared == ()
    assert rows("service", kept)["retention"].observed == ()


def test_conditions_are_shown() -> None:
    """Consent, for example, which the declared processing depends on, or some of it."""
    assert [each.text for each in rows("marketing")["conditions"].declared] == [
        "only if: consent.marketing"
    ]
    assert [each.text for each in rows("service.loans")["conditions"].declared] == [
        "in part, only if not: loan.returned"
    ]


def test_what_nobody_states_is_not_stated() -> None:
    """No name, contact or measure is invented."""
    shown = document(collected(), "en", rows=500)
    assert shown.name == "library"
    assert all(lines == () for _, lines in shown.parties)
    assert as_html(shown).count("not stated") > len(shown.parties)
    assert all(line.endswith("not stated") for line in as_csv(shown).splitlines()[1:])


def test_the_rest_is_said() -> None:
    """A record lists so many activities and flows, and says how much is left out."""
    shown = made(rows=2)
    assert len(shown.sheets) == len(shown.never_declared) == 2
    assert shown.more_activities == (
        "5 further activities with 14 events are not listed: the record lists the first 2."
    )
    assert shown.more_flows == "3 further flows with 5 events are not listed."
    assert shown.unattributed.startswith("20 events are of flows beyond")
    content = as_json(shown)
    assert (content.more_activities, content.more_never_declared) == (5, 3)
    for text in (as_html(shown), as_csv(shown), words_in(as_word(shown))):
        assert shown.more_activities in text


def test_the_version_and_the_time_are_named() -> None:
    """So that a record can be made again."""
    since = datetime(2024, 3, 1, tzinfo=UTC)
    shown = made(scope=Scope("library", since, None, NOW))
    facts = dict(shown.facts)
    assert facts["Observed from"] == "2024-03-01 00:00 UTC to 2024-06-01 12:00 UTC"
    assert facts["Declared by"] == ("library, version 2024, in force from 2024-01-01 00:00+00:00")
    assert as_json(shown).policy.digest == CompiledPolicy(POLICY, VOCABULARY).digest  # type: ignore[union-attr]


def test_csv_has_a_line_for_each_activity_and_no_formula() -> None:
    """Spreadsheets read it as text, whatever the operator wrote."""
    lines = list(csv.DictReader(io.StringIO(as_csv(made()).removeprefix("\ufeff"))))
    assert [(line["(b) Purpose"], line["Events"], line["Not permitted"]) for line in lines][:3] == [
        ("service", "16", "2"),
        ("service.loans", "8", "0"),
        ("marketing", "0", "0"),
    ]
    assert lines[0]["(d) Recipients: Observed"] == (
        "first_party (14); third_party (not declared, 2)"
    )
    assert lines[0]["(a) Controller"].startswith("'=HYPERLINK(1)")
    assert lines[0]["(a) Representative"] == "not stated"
    assert lines[0]["(g) Security measures"] == "encryption\nbackups"


def test_json_has_terms_labels_and_counts() -> None:
    """For programs, which need no words."""
    content = as_json(made()).model_dump(mode="json")
    service = content["activities"][0]
    assert service["purpose"] == {"term": "service", "label": "service"}
    assert service["observed"]["recipient"] == [
        {"term": "first_party", "label": "first_party", "events": 14, "is_declared": True},
        {"term": "third_party", "label": "third_party", "events": 2, "is_declared": False},
    ]
    assert service["counts"]["violations"] == 2
    assert content["never_seen"] == ["readers.loans", "readers.news", "visitors.wellbeing"]
    assert content["details"]["representative"] is None
    assert content["details"]["safeguards"]["us"] == "standard contractual clauses"


def test_html_prints_by_itself_and_escapes_what_it_shows() -> None:
    """One file, with the picture; the policy that it is served with allows its style alone."""
    page = as_html(made())
    assert "=HYPERLINK(1) &lt;b&gt;Library&lt;/b&gt;" in page
    assert "<b>" not in page
    assert not re.search(r"<script|<link|@import|url\(|src=", page)
    assert "<svg" in page
    assert "@media print" in page
    assert re.search(r"style-src 'sha256-[A-Za-z0-9+/=]+'", html_policy())


def words_in(content: bytes) -> str:
    """All text of a Word document."""
    opened = Document(io.BytesIO(content))
    cells = (cell.text for table in opened.tables for row in table.rows for cell in row.cells)
    return "\n".join([*(each.text for each in opened.paragraphs), *cells])


def test_word_has_the_same_as_the_page() -> None:
    """Headings of activities, marks, and what is never seen or never declared."""
    content = as_word(made())
    text = words_in(content)
    for wanted in (
        "=HYPERLINK(1) <b>Library</b>",
        "service · reader",
        "third_party [not declared] (2)",
        "never seen: user.loans",
        "readers.news",
        "undeclared third-party sharing",
        "dpo@example.org",
    ):
        assert wanted in text
    with ZipFile(io.BytesIO(content)) as parts:
        body = parts.read("word/document.xml").decode()
        footer = "".join(parts.read(name).decode() for name in parts.namelist() if "footer" in name)
    assert "w:tblHeader" in body
    assert len(set(re.findall(r'<w:gridCol w:w="(\d+)"', body))) > 3  # columns of their own width
    assert "NUMPAGES" in footer
    assert Document(io.BytesIO(content)).core_properties.created == NOW


@pytest.mark.parametrize("language", TAGS)
def test_every_format_works_in_every_language(language: str) -> None:
    """With the vocabulary's labels, and with nothing observed or declared."""
    shown = document(collected(compiled=None), language, rows=500)
    assert shown.words.text("title") in words_in(as_word(shown))
    for shown in (
        made(language),
        document(collected(), language, rows=500),
        document(collected(*COUNTS, compiled=None), language, rows=500),
        document(collected(compiled=None), language, rows=500),
    ):
        assert shown.words.text("title") in as_html(shown)
        assert shown.words.text("row.purpose") in as_csv(shown)
        assert as_json(shown).language == language


def test_labels_are_those_of_the_vocabulary() -> None:
    """In the language, else in English, else the term."""
    service = VOCABULARY.purposes["service"]
    purposes = {**VOCABULARY.purposes, "service": replace(service, label={"zh": "服务"})}
    labelled = replace(VOCABULARY, purposes=type(VOCABULARY.purposes)("purpose", purposes))
    compiled = CompiledPolicy(POLICY, labelled)
    assert sheet("service", made("zh", compiled=compiled)).purpose == "服务"
    assert sheet("service", made("en", compiled=compiled)).purpose == "service"


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return set(re.findall(r"\{(\w+)\}", text))


def test_every_language_has_the_same_texts_and_each_is_used() -> None:
    """With the same placeholders, so that no record fails in one language only."""
    english, chinese = catalogue(PACKAGE, "en"), catalogue(PACKAGE, "zh")
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert placeholders(text) == placeholders(chinese[key]), key
    web = Path(str(files("purposewatch_reporter.web")))
    sources = "".join(
        path.read_text()
        for folder in (Path(str(files(PACKAGE))), web / "templates")
        for path in folder.rglob("*")
        if path.suffix in (".py", ".html")
    )
    named = set(re.findall(r'["\'`]([a-z_]+(?:\.[a-z_]+)*)["\'`]', sources))
    composed = ("row.", "status.", "mark.", "notes.")
    counted = ("days.", "map_words.events.")
    unused = {
        key
        for key in english
        if key not in named
        and not key.startswith(counted)
        and not (key.startswith(composed) and key.partition(".")[2] in named)
    }
    assert unused == set()
