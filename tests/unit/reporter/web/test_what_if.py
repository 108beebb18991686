"""The page "Try a policy"."""

import csv
import io
import json
import re
from typing import Any

import pytest

from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.forms import UnreadableFormError, read_fields
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic
from tests.unit.reporter.web.conftest import Browser
from tests.unit.reporter.what_if.borrowers import (
    POLICY,
    WITHOUT_PUBLIC,
    a_day,
    decided_verdict,
    line_of,
    published,
)

TRY = "/what-if"
ALL = {"since": "all"}


@pytest.fixture
async def recorded(filled: Database) -> Database:
    """The flow ledger has a day of the collections of loans."""
    await ledger_writer_of(filled).record_verdicts(in_topic("verdicts", a_day(12), start=12))
    return filled


def words(page: str) -> str:
    """What the page says, without its mark-up."""
    text = re.sub(r"<(script|style|option|textarea).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


async def test_a_version_is_loaded_to_be_edited(viewer: Browser, recorded: Database) -> None:
    """Everybody who may sign in may try; the text is the file's."""
    page = await viewer.get(f"{TRY}?version=linggan-house@undated")
    assert page.status_code == 200
    assert "- id: sharing.overdue.public" in page.text
    assert (await viewer.get(f"{TRY}?version=linggan-house@7")).status_code == 404
    assert (await viewer.get(f"{TRY}?version=../x@undated")).status_code == 404
    assert 'href="/what-if"' in (await viewer.get("/")).text


async def test_the_effect_is_shown(viewer: Browser, recorded: Database) -> None:
    """What would become a violation, by which statement it was permitted, and why it would not."""
    answer = await viewer.send(TRY, {"policy": WITHOUT_PUBLIC, **ALL})
    assert answer.status_code == 200
    said = words(answer.text)
    assert "Would become a violation 5 1 flow, 1 publisher" in said
    assert "Unchanged 5 2 flows" in said
    assert said.endswith("Purposewatch 0")  # the program's version, not the policy's
    assert "Privacy agreement of Linggan House linggan-house" in said
    [row] = re.findall(r"<tr>\s*<th scope=\"row\".*?</tr>", answer.text, flags=re.DOTALL)
    assert "/policies/linggan-house/undated#sharing.overdue.public" in row
    assert "Undeclared sharing" in words(row)
    assert "no statement for this role lets that category go to that recipient" in words(row)
    assert "loan.overdue claimed; loan.overdue looked up: holds" in words(row)
    [flow] = re.findall(r"/flows/[0-9a-f]{32}", row)
    assert (await viewer.get(flow)).status_code == 200
    assert "Its violations" not in row  # there are none: it was permitted
    assert WITHOUT_PUBLIC.split("statements:")[0].splitlines()[8] in answer.text  # to edit on


async def test_it_is_shown_in_chinese(viewer: Browser, recorded: Database) -> None:
    """With the engine's own sentences."""
    headers = {"accept-language": "zh"}
    answer = await viewer.send(TRY, {"policy": WITHOUT_PUBLIC, **ALL}, headers=headers)
    assert "将成为违规 5" in words(answer.text)
    assert "公众" in words(answer.text)


async def test_what_was_a_violation_leads_to_its_violations(
    viewer: Browser, recorded: Database
) -> None:
    """So that examples of what a new version would permit can be looked at."""
    marker = "    recipients: [third_party.lender]\n    when: [loan.overdue]"
    assert POLICY.count(marker) == 1
    lenient = POLICY.replace(
        marker, "    recipients: [third_party.lender, third_party.personal_contacts.phone]"
    )
    answer = await viewer.send(TRY, {"policy": lenient, **ALL})
    assert "Would be permitted 2 1 flow" in words(answer.text)
    [link] = set(re.findall(r'href="(/violations\?flow=[0-9a-f]{32})"', answer.text))
    assert (await viewer.get(link)).text.count("data-id=") == 2
    assert (await viewer.get(f"/violations?flow={'0' * 32}")).text.count("data-id=") == 0
    assert "Flow" in words((await viewer.get("/violations?flow=nonsense")).text)  # is ignored


async def test_faults_are_shown_in_place(viewer: Browser, recorded: Database) -> None:
    """Each with its line and the lines around it; the text stays to be corrected."""
    faulty = WITHOUT_PUBLIC.replace("third_party.lender]", "third_party.lendr]")
    answer = await viewer.send(TRY, {"policy": faulty, **ALL})
    assert answer.status_code == 422
    line = line_of(faulty, "third_party.lendr]")
    assert f'data-line="{line}"' in answer.text
    assert "unknown recipient <code>third_party.lendr</code>; did you mean" in answer.text
    assert re.search(
        rf'<span class="at"><span class="line-number">{line}</span> +recipients: \[third',
        answer.text,
    )
    assert "third_party.lendr]</textarea>" not in answer.text
    assert answer.text.count("third_party.lendr]") == 2  # in the text to edit, and in the excerpt


async def test_what_lint_finds_is_shown_in_place(viewer: Browser, recorded: Database) -> None:
    """Beside the effect: a policy may be valid and not say what it seems to say."""
    start = POLICY.index("  - id: sharing.overdue.lenders")
    twice = POLICY[start : POLICY.index("  - id: sharing.overdue.contacts")]
    doubled = (
        POLICY[:start] + twice.replace("sharing.overdue.lenders", "sharing.again") + POLICY[start:]
    )
    answer = await viewer.send(TRY, {"policy": doubled, **ALL})
    assert answer.status_code == 200
    assert "duplicate-statement" in answer.text
    assert f'data-line="{line_of(doubled, "- id: sharing.overdue.lenders")}"' in answer.text


async def test_a_file_is_uploaded_without_a_script(viewer: Browser, recorded: Database) -> None:
    """As browsers send it, line ends and all; the file comes before the text."""
    token = (await viewer.hidden("/account"))["csrf"]
    answer = await viewer.http.post(
        TRY,
        data={"csrf": token, "policy": "nonsense", **ALL},
        files={"file": ("draft.yaml", WITHOUT_PUBLIC.replace("\n", "\r\n").encode())},
    )
    assert answer.status_code == 200
    assert "Would become a violation 5" in words(answer.text)
    refused = await viewer.http.post(TRY, data={"policy": POLICY}, files={"file": ("a", b"")})
    assert refused.status_code == 403


async def test_the_effects_are_exported(viewer: Browser, recorded: Database) -> None:
    """As CSV for spreadsheets and as JSON Lines for programs, with everything that is known."""
    other = decided_verdict(22, published(location="eu"), {"loan.overdue": True})
    await ledger_writer_of(recorded).record_verdicts(in_topic("verdicts", [other], start=22))
    fields = {"policy": WITHOUT_PUBLIC, **ALL}
    answer = await viewer.send(f"{TRY}.csv", fields)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'attachment; filename="what-if-linggan-house-' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["events"] for row in rows] == ["5", "1"]
    assert {
        name: rows[0][name]
        for name in ("change", "recipient", "before", "before_statements", "after", "facts")
    } == {
        "change": "becomes_violation",
        "recipient": "public",
        "before": "permitted",
        "before_statements": "sharing.overdue.public",
        "after": "undeclared_third_party_sharing",
        "facts": "loan.overdue=true",
    }
    assert rows[1]["location"] == "eu"
    answer = await viewer.send(f"{TRY}.jsonl", fields)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["events"] for line in lines] == [5, 1]
    assert (await viewer.send(f"{TRY}.csv", {"policy": "x"})).status_code == 422


SENT: list[tuple[dict[str, str], int, str]] = [
    ({}, 422, "Paste or upload a policy"),
    ({"policy": "  \n"}, 422, "Paste or upload a policy"),
    ({"policy": "#" * 262_145}, 413, "larger than the 262"),
    ({"policy": "#" * 8_388_608}, 413, "The form could not be read"),
    ({"policy": POLICY, "since": "<yesterday>"}, 200, "the last 90 days"),
    ({"policy": "a: &a [*a]"}, 422, "anchors and aliases are not supported"),
    ({"policy": "controller: <script>alert(1)</script>"}, 422, "&lt;script&gt;alert(1)"),
    ({"version": "linggan-house@undated", **ALL}, 200, "Unchanged"),
]


async def test_whatever_is_sent_gets_a_page(viewer: Browser, recorded: Database) -> None:
    """That says what to do."""
    for fields, status, said in SENT:
        answer = await viewer.send(TRY, fields)
        assert (answer.status_code, said) == (status, said)
        assert said in answer.text
        assert "<script>alert" not in answer.text


async def test_nobody_else_may_try(browser: Browser, desk: tuple[Any, WebApp]) -> None:
    """The counts are of the company."""
    assert (await browser.get(TRY)).headers["location"].startswith("/sign-in")
    assert (await browser.http.post(TRY, data={"policy": POLICY})).status_code == 303


PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing of the kind",
        PART,
        b"before\r\n" + PART + b"--x--",
        PART * 51 + b"--x--",
        b"--x\r\n\r\nno name\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n--x--',
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--',
    ],
    ids=["empty", "no parts", "no end", "text before", "too many", "no name", "no value", "bytes"],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    """Whatever is in it."""
    with pytest.raises(UnreadableFormError):
        read_fields("multipart/form-data; boundary=x", body)


def test_a_form_is_read_however_it_is_encoded() -> None:
    """Names and values; of a file, its content without the mark of its encoding."""
    assert read_fields("application/x-www-form-urlencoded", b"a=1&b=%C3%A9") == {"a": "1", "b": "é"}
    file = (
        b'Content-Disposition: form-data; name="f"; filename="p.yaml"\r\n\r\n\xef\xbb\xbfx\r\ny\r\n'
    )
    body = PART + b"--x\r\n" + file + b"--x--\r\n"
    assert read_fields("multipart/form-data; boundary=x", body) == {"a": "1", "f": "x\ny"}
