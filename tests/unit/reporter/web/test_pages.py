"""The pages show what was recorded."""

import re
from pathlib import Path
from typing import Any

import pytest

from purposewatch_policy import load_policies
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.reconciliation.reconciler import ReconciliationReport
from purposewatch_reporter.reconciliation.topic import TopicReconciliation, reconcile
from purposewatch_reporter.web.app import WebApp
from tests.unit.reporter.records import in_topic, verdict
from tests.unit.reporter.web.conftest import NOW, Browser, first_id

PAGES = (
    "/",
    "/?span=24h",
    "/?span=nonsense",
    "/findings",
    "/violations",
    "/policies",
    "/account",
    "/policies/wework-labs/2018-05-25",
    "/policies/linggan-house/undated",
    "/vocabulary",
    "/vocabulary?controller=linggan-house&q=credit+score",
    "/vocabulary?q=parking&dimension=purposes",
)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_page_opens(officer: Browser, path: str, language: str) -> None:
    """In both languages."""
    answer = await officer.get(path, headers={"Accept-Language": language})

    assert answer.status_code == 200, answer.text
    assert ('lang="zh-Hans"' in answer.text) == (language == "zh")


@pytest.mark.parametrize(
    ("log_end", "words"),
    [(None, "Not known"), (0, "Reconciled"), (3, "Not reconciled")],
)
async def test_the_overview_shows_the_reconciliation(
    desk: tuple[Any, WebApp], officer: Browser, log_end: int | None, words: str
) -> None:
    """Reconciled, not reconciled, or not known yet."""
    ledger = reconcile(0, PartitionLedger(), log_end)
    desk[1].watch.latest = ReconciliationReport(
        NOW, TopicReconciliation((ledger,)), TopicReconciliation(), ()
    )

    answer = await officer.get("/")

    assert answer.status_code == 200
    assert f">{words}</span>" in answer.text


async def test_the_overview_counts_exactly(officer: Browser) -> None:
    """Twelve events, four of each outcome."""
    text = (await officer.get("/?span=24h")).text

    assert "<strong>12</strong>" in text
    assert text.count("<strong>4</strong>") >= 2
    assert "33.33 %" in text


@pytest.mark.parametrize(
    ("language", "accesses", "one_event"),
    [("en", "{} accesses", "published as one event"), ("zh", "{} 次访问", "作为一个事件发布")],
)
async def test_accesses_show_where_they_differ_from_events(
    officer: Browser, ledger_writer: LedgerWriter, language: str, accesses: str, one_event: str
) -> None:
    """On the overview, in both lists, and on the pages of a finding and a violation."""
    headers = {"Accept-Language": language}
    paths = ("/findings?kind=prohibited", "/violations?kind=prohibited", "/?span=24h")
    for path in paths:
        assert "hint accesses" not in (await officer.get(path, headers=headers)).text
    counted = verdict(
        0,
        12,
        outcome="violation",
        kind="prohibited",
        event_time=NOW.isoformat(),
        publisher="web",
        count=250,
    )
    await ledger_writer.record_verdicts(in_topic("verdicts", [counted], start=12))

    found, listed, overview = [(await officer.get(path, headers=headers)).text for path in paths]
    finding = await first_id(officer, "/findings?publisher=web")
    violation = await first_id(officer, "/violations?publisher=web")
    of_finding, of_violation = [
        (await officer.get(path, headers=headers)).text
        for path in (f"/findings/{finding}", f"/violations/{violation}")
    ]
    for page in (found, listed, of_finding, of_violation):
        assert accesses.format(250) in page
    for number in (262, 254):  # of all events, and of the violations
        assert accesses.format(number) in overview
    assert one_event in of_violation


async def test_a_violation_says_what_happened_and_why(officer: Browser) -> None:
    """In a sentence, with the statement that came nearest."""
    name = await first_id(officer, "/violations?outcome=violation")
    text = (await officer.get(f"/violations/{name}")).text

    assert "used “" in text
    assert "The policy declares these data, but not for this purpose." in text
    assert "members.contact.use" in text
    assert "would make it permitted" in text
    assert "add `marketing.advertising` to the purposes" in re.sub("</?code>", "`", text)


async def test_a_finding_lists_its_violations(officer: Browser) -> None:
    """The latest of them."""
    name = await first_id(officer, "/findings")
    answer = await officer.get(f"/findings/{name}")

    assert answer.status_code == 200
    assert 'href="/violations/' in answer.text


async def test_a_choice_of_language_and_colours_is_kept(officer: Browser) -> None:
    """In cookies, until another one is made."""
    answer = await officer.send("/preferences", {"language": "zh", "theme": "dark", "next": "/x"})
    assert answer.headers["location"] == "/x"
    text = (await officer.get("/")).text

    assert 'lang="zh-Hans" data-theme="dark"' in text


async def test_assets_are_kept_for_ever_and_nothing_else_is_given(officer: Browser) -> None:
    """Their address changes with their content."""
    page = (await officer.get("/")).text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await officer.get(address)

    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    for name in ("secret.txt", "..%2Froutes.py", "layout.html"):
        assert (await officer.get(f"/assets/x/{name}")).status_code == 404


async def test_the_vocabulary_shows_terms_with_what_speaks_of_them(officer: Browser) -> None:
    """As a tree with labels and synonyms, each statement linked to where it stands."""
    text = (await officer.get("/vocabulary?controller=wework-labs")).text

    row = text.split('<tr id="data_categories:user.calendar">')[1].split("</tr>")[0]
    assert "depth-1" in row
    assert "Company calendar" in row
    assert "Outlook" in row
    assert '<a href="/policies/wework-labs/2018-05-25#visitors.calendar.book">' in row
    parent = text.index('<tr id="purposes:marketing.advertising">')
    assert parent < text.index('<tr id="purposes:marketing.advertising.serving">')
    office = text.split('<tr id="data_categories:user.office">')[1].split("</tr>")[0]
    assert "Take a narrower term" in office
    assert re.search(r"none; \d+ name a narrower term", office)


async def test_the_vocabulary_can_be_searched_in_both_languages(officer: Browser) -> None:
    """A search says by which text it found a term; misspelt or in Chinese, it finds it."""
    for words, reason in (
        ("licence plat", "other word: licence plate"),
        ("车牌", "other word: 车牌"),
    ):
        text = (await officer.get("/vocabulary", params={"q": words})).text
        found = text.split('id="found"')[1].split("</section>")[0]
        assert "<code>user.government_id.vehicle_registration</code>" in found
        assert reason in found
    chinese = await officer.get(
        "/vocabulary?controller=wework-labs&q=parking", headers={"Accept-Language": "zh"}
    )
    assert "停车" in chinese.text.split('id="found"')[1].split("</section>")[0]


async def test_a_search_without_a_result_says_so(officer: Browser) -> None:
    """What was typed is shown as text, and an unknown controller does not exist."""
    text = (await officer.get("/vocabulary", params={"q": "<b>submarine</b>"})).text
    assert "No term fits" in text
    assert "<b>submarine" not in text
    assert (await officer.get("/vocabulary?controller=nobody")).status_code == 404


async def test_the_vocabulary_ignores_what_is_not_valid(officer: Browser) -> None:
    """A query that is too long and a dimension that does not exist change nothing."""
    answer = await officer.get(f"/vocabulary?q={'x' * 101}&dimension=secrets")
    assert answer.status_code == 200
    assert 'id="found"' not in answer.text


async def test_a_large_vocabulary_is_cut(
    desk: tuple[Any, WebApp], officer: Browser, tmp_path: Path
) -> None:
    """Of many roles the page shows the first, says how many are left, and finds them all."""
    home = tmp_path / "acme"
    home.mkdir()
    roles = "".join(f"  r{number}:\n" for number in range(600))
    (home / "vocabulary.yaml").write_text(
        f"roles:\n{roles}data_categories: {{d: }}\noperations: {{use: }}\npurposes: {{p: }}\n"
    )
    statements = "".join(
        f"  - {{id: s.s{number}, clause: s.1, effect: permit, roles: [r1], data_categories: [d],"
        " operations: [use], purposes: [p]}\n"
        for number in range(60)
    )
    (home / "policy.1.yaml").write_text(
        'controller: acme\nversion: "1"\nin_force_from: 2020-01-01T00:00:00Z\n'
        f"sections: {{s: {{en: S}}}}\nstatements:\n{statements}"
    )
    desk[1].declared.current = load_policies(tmp_path)

    text = (await officer.get("/vocabulary?q=r599")).text

    tree = text.split('id="roles"')[1].split("</details>\n")[0]
    assert "<small>600</small>" in tree
    assert "100 more terms are not shown" in tree
    assert text.count('<tr id="roles:') == 500
    assert "<code>r599</code>" in text.split('id="found"')[1].split("</section>")[0]
    purpose = text.split('<tr id="purposes:p">')[1].split("</tr>")[0]
    assert purpose.count("<li>") == 50
    assert "10" in purpose.split('<li class="hint">')[1]


async def test_exceptions_and_lengths_of_retention_are_shown(
    desk: tuple[Any, WebApp], officer: Browser, tmp_path: Path
) -> None:
    """The policy's page says what a statement leaves out, and between which times it applies."""
    home = tmp_path / "acme"
    home.mkdir()
    (home / "vocabulary.yaml").write_text(
        "roles: {r: }\ndata_categories: {d: , d.a: , d.b: }\noperations: {store: }\n"
        "purposes: {p: }\n"
    )
    (home / "policy.1.yaml").write_text(
        'controller: acme\nversion: "1"\nin_force_from: 2020-01-01T00:00:00Z\n'
        "sections: {s: {en: S}}\nstatements:\n"
        "  - {id: keep, clause: s.1, effect: permit, data_categories: [d], operations: [store],\n"
        "     purposes: [p], except: {data_categories: [d.b]},\n"
        "     retention_days: {at_least: 180, at_most: 3650}}\n"
    )
    desk[1].declared.current = load_policies(tmp_path)

    text = (await officer.get("/policies/acme/1")).text
    row = text.split('<tr id="keep">')[1].split("</tr>")[0]
    assert "except:" in row
    assert "d.b" in row
    assert "180 to 3650 days" in row

    text = (await officer.get("/vocabulary?controller=acme")).text
    row = text.split('<tr id="data_categories:d.b">')[1].split("</tr>")[0]
    assert "1 speaks of a wider term without it" in row
