"""Records of processing activities: the page, its files, the API, and the trail of both."""

import asyncio
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from docx import Document

from purposewatch_reporter.findings.export_trail import End, Export, Format, read_exports
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.processing_record import reader
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.app import WebApp, web_components
from purposewatch_runtime.service import FatalError
from tests.unit.reporter.records import in_topic, verdict
from tests.unit.reporter.web.conftest import NOW, Browser, Clock, page_app

PAGE = "/records/wework-labs"
API = "/api/v1/records/wework-labs"


async def trail(desk: WebApp) -> list[Export]:
    """The trail, the latest export first."""
    async with desk.database.reading() as connection:
        return list((await read_exports(connection, 1))[0])


async def test_the_page_shows_what_was_declared_beside_what_was_observed(officer: Browser) -> None:
    """With the map as a picture and as a table, and links to the findings."""
    page = (await officer.get(PAGE)).text
    assert "<h1>wework-labs</h1>" in page
    assert page.count('<svg xmlns="http://www.w3.org/2000/svg"') == 1
    assert "map.css" in page
    assert re.search(r"<th scope=\"row\">Visitor</th><td>[^<]*</td><td>The controller</td>", page)
    assert '<a href="/records" aria-current="page">Records</a>' in page
    assert "declared, never seen" in page
    assert "members.contact.identify" in page  # never seen
    found = re.findall(r'href="(/findings\?[^"]*role=visitor[^"]*)"', page)
    assert found
    assert "Nothing" not in (await officer.get(found[0].replace("&amp;", "&"))).text


async def test_every_controller_is_listed(officer: Browser) -> None:
    """Those with a policy, and those of which a flow was seen."""
    page = (await officer.get("/records")).text
    assert re.findall(r'href="/records/([a-z-]+)"', page) == ["linggan-house", "wework-labs"]


async def test_a_time_range_limits_what_is_observed(officer: Browser) -> None:
    """By the day; the files have the same range. The API's range is by the hour."""
    for query, events in (("", 12), ("?since=2026-03-02", 12), ("?until=2026-03-02", 0)):
        page = (await officer.get(f"{PAGE}{query}")).text
        assert re.search(rf"Events audited</span><strong>{events}</strong>", page)
        assert f'href="/records/wework-labs/file/csv{query}"' in page


async def test_a_range_that_ends_before_it_begins_is_ignored(officer: Browser) -> None:
    """And the page says so, as for any other filter."""
    page = await officer.get(f"{PAGE}?since=2026-03-02T00:00&until=2026-03-01T00:00")
    assert page.status_code == 200
    assert "Before" in re.findall(r'role="alert">([^<]*)<', page.text)[0]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("json", "application/json"),
        ("csv", "text/csv; charset=utf-8"),
        ("html", "text/html; charset=utf-8"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
async def test_each_format_is_a_file_and_leaves_a_trail(
    desk: tuple[Any, WebApp], officer: Browser, name: str, media_type: str
) -> None:
    """The trail says who took whose record, in which format, and links to it."""
    desk[1].records._rows = 10
    answer = await officer.get(f"{PAGE}/file/{name}?since=2026-03-01")
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert f'.{name}"' in answer.headers["content-disposition"]
    assert len(answer.content) > 1_000
    [export] = await trail(desk[1])
    assert (export.author, export.format, export.end) == ("olivia", Format(name), End.FINISHED)
    assert export.filters == {"record": "wework-labs", "since": "2026-03-01T00:00:00+00:00"}
    assert export.rows
    page = (await officer.get("/exports")).text
    assert 'href="/records/wework-labs?since=2026-03-01T00%3A00%3A00%2B00%3A00"' in page


async def test_the_page_to_print_has_a_style_and_loads_nothing(officer: Browser) -> None:
    """It is shown, not saved, and no script runs in it."""
    answer = await officer.get(f"{PAGE}/print")
    assert "content-disposition" not in answer.headers
    policy = answer.headers["content-security-policy"]
    assert "style-src 'sha256-" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_reader_s_language_is_that_of_the_record(
    desk: tuple[Any, WebApp], officer: Browser
) -> None:
    """Headings and labels alike."""
    desk[1].records._rows = 10
    chinese = {"Accept-Language": "zh"}
    word = await officer.get(f"{PAGE}/file/docx", headers=chinese)
    assert Document(io.BytesIO(word.content)).paragraphs[0].text == "处理活动记录"
    assert "会员" in (await officer.get(PAGE, headers=chinese)).text


@pytest.mark.parametrize(
    "path",
    ["/records/nobody", "/records/nobody/file/csv", f"{PAGE}/file/exe", f"{PAGE}/file/jsonl"],
)
async def test_what_there_is_not_is_not_found(
    desk: tuple[Any, WebApp], officer: Browser, path: str
) -> None:
    """And leaves no trail."""
    assert (await officer.get(path)).status_code == 404
    assert await trail(desk[1]) == []


async def test_only_who_is_signed_in_sees_a_record(browser: Browser) -> None:
    """Others are asked to sign in."""
    for path in ("/records", PAGE, f"{PAGE}/print", f"{PAGE}/file/csv"):
        assert (await browser.get(path)).headers["location"].startswith("/sign-in")


async def test_records_are_made_one_at_a_time(
    desk: tuple[Any, WebApp], officer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many wait as may; a further one is refused at once, and says when to come back."""
    monkeypatch.setattr(reader, "_WAITING", 1)
    async with desk[1].records._turn:
        waiting = [asyncio.create_task(officer.get(f"{PAGE}/file/csv")) for _ in range(2)]
        while desk[1].records._asked < 2:
            await asyncio.sleep(0)
        refused = await officer.get(PAGE)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert [each.status_code for each in await asyncio.gather(*waiting)] == [200, 200]
    assert (await officer.get(PAGE)).status_code == 200


async def test_a_file_that_nobody_reads_is_in_the_trail_as_such(
    desk: tuple[Any, WebApp], officer: Browser
) -> None:
    """The trail says that the connection was closed."""
    token = officer.http.cookies["purposewatch_session"]
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "http_version": "1.1",
        "path": f"{PAGE}/file/csv",
        "query_string": b"",
        "headers": [(b"host", b"desk"), (b"cookie", f"purposewatch_session={token}".encode())],
        "client": ("192.0.2.7", 5000),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        raise ConnectionResetError

    await desk[0](scope, receive, send)
    assert [each.end for each in await trail(desk[1])] == [End.CLIENT]


STATED = """
controllers:
  wework-labs:
    name: Example <i>Labs</i>
    contact: privacy@example.org
    security_measures: [encryption in transit]
"""


async def test_what_the_operator_states_is_shown(
    filled: Database, clock: Clock, tmp_path: Path
) -> None:
    """Escaped, as everything else."""
    file = tmp_path / "records.yaml"
    file.write_text(STATED)
    _, desk = page_app(filled, clock, reporter_records_file=file)
    found = await desk.records.read("wework-labs", "en", lambda document: document)
    assert found.name == "Example <i>Labs</i>"
    assert dict(found.parties)["(a) Controller"] == ("Example <i>Labs</i>\nprivacy@example.org",)
    assert dict(found.parties)["(g) Security measures"] == ("encryption in transit",)
    assert dict(found.parties)["(a) Representative"] == ()


async def test_a_change_of_the_file_is_read_while_it_runs(
    filled: Database, clock: Clock, tmp_path: Path
) -> None:
    """A faulty one leaves the last valid content in use."""
    file = tmp_path / "records.yaml"
    file.write_text(STATED)
    _, desk = page_app(filled, clock, reporter_records_file=file)
    assert desk.details in web_components(desk, ReporterSettings(reporter_records_file=file))
    assert desk.details is not None
    for text, name in (
        (STATED.replace("<i>", "New <i>"), "Example New <i>Labs</i>"),
        ("controllers: [", "Example New <i>Labs</i>"),
    ):
        file.write_text(text)
        desk.details.refresh()
        found = await desk.records.read("wework-labs", "en", lambda document: document)
        assert found.name == name


async def test_a_faulty_file_stops_the_start(
    filled: Database, clock: Clock, tmp_path: Path
) -> None:
    """With the line of the fault."""
    file = tmp_path / "records.yaml"
    file.write_text(STATED.replace("contact", "contacts"))
    with pytest.raises(FatalError, match=r"records\.yaml:5: unknown field `contacts`"):
        page_app(filled, clock, reporter_records_file=file)


TOKEN = "a token of enough letters"


async def api(app: Any, path: str, *, token: str = TOKEN) -> httpx.Response:
    """What the API answers."""
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        return await client.get(path, headers=headers)


@pytest.fixture
def with_token(filled: Database, clock: Clock) -> tuple[Any, WebApp]:
    """The application with a token."""
    return page_app(filled, clock, reporter_api_token=TOKEN)


async def test_the_api_gives_a_record(with_token: tuple[Any, WebApp]) -> None:
    """As JSON unless it is asked for something else; the trail names the API."""
    answer = await api(with_token[0], API)
    content = answer.json()
    assert content["counts"]["events"] == 12
    assert content["counts"]["violations"] == 4
    assert [each["role"]["term"] for each in content["activities"]] == ["member", "visitor"]
    english = await api(with_token[0], f"{API}?format=csv")
    assert english.text.startswith("\ufeff(b) Purpose,")
    since = (NOW - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await api(with_token[0], f"{API}?since={since}")).json()["counts"]["events"] == 6
    chinese = await api(with_token[0], f"{API}?format=html&lang=zh")
    assert "<h1>处理活动记录</h1>" in chinese.text
    assert "style-src 'sha256-" in chinese.headers["content-security-policy"]
    assert [(each.author, each.format) for each in await trail(with_token[1])] == [
        ("(api)", Format.HTML),
        ("(api)", Format.JSON),
        ("(api)", Format.CSV),
        ("(api)", Format.JSON),
    ]


async def test_the_api_refuses_what_it_can_not_answer(with_token: tuple[Any, WebApp]) -> None:
    """Problems say what to do."""
    app = with_token[0]
    assert (await api(app, API, token="wrong")).status_code == 401
    missing = await api(app, "/api/v1/records/nobody")
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        "there is no controller `nobody`",
    )
    for query, field in (
        ("format=exe", "format"),
        ("lang=fr", "lang"),
        ("since=2026-03-01T00:30:00Z", "since"),
        ("until=yesterday", "until"),
    ):
        refused = await api(app, f"{API}?{query}")
        assert refused.status_code == 422
        assert [each["field"] for each in refused.json()["errors"]] == [field]


async def test_a_controller_without_a_policy_has_a_record_of_what_was_seen(
    database: Database, ledger_writer: LedgerWriter, clock: Clock
) -> None:
    """Its terms have no labels, and nothing is declared."""
    value = verdict(0, 0, outcome="unknown")
    value["data"]["controller"] = "elsewhere"
    await ledger_writer.record_verdicts(in_topic("verdicts", [value]))
    _, desk = page_app(database, clock)
    assert await desk.records.controllers() == ["elsewhere", "linggan-house", "wework-labs"]
    found = await desk.records.read("elsewhere", "en", lambda document: document)
    assert [each.purpose for each in found.sheets] == ["marketing.advertising"]
    assert dict(found.facts)["Declared by"] == "no policy"


def test_the_json_schema_is_described(with_token: tuple[Any, WebApp]) -> None:
    """The OpenAPI document names every format."""
    described = with_token[0].openapi()["paths"]["/api/v1/records/{controller}"]["get"]
    content = described["responses"]["200"]["content"]
    assert sorted(content) == [
        "application/json",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "text/csv",
        "text/html",
    ]
    assert "RecordOut" in json.dumps(content["application/json"])
