"""`POST /api/v1/what-if`."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from purposewatch_policy import lint
from purposewatch_policy.files import NamedText
from purposewatch_policy.files.draft import MAX_FAULTS
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web import app as web_app
from purposewatch_reporter.what_if import answering
from purposewatch_reporter.what_if.answering import (
    Question,
    TooBusyError,
    WhatIfLimits,
    WhatIfService,
)
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic
from tests.unit.reporter.test_api import client_of
from tests.unit.reporter.what_if.borrowers import (
    CONTROLLER,
    POLICIES,
    POLICY,
    WITHOUT_PUBLIC,
    ReadPolicies,
    a_day,
    declared,
    line_of,
)

PATH = "/api/v1/what-if"


@pytest.fixture(autouse=True)
def _declared_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started that would read them."""
    monkeypatch.setattr(web_app, "DeclaredPolicies", ReadPolicies)


@pytest.fixture
async def api(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client; the flow ledger has a day of the collections of loans."""
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", a_day()))
    async with client_of(database, policies_dir=POLICIES) as client:
        yield client


async def ask(api: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    """The answer."""
    answer = await api.post(PATH, json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_it_tells_what_would_become_a_violation(api: httpx.AsyncClient) -> None:
    """With the statements before and after, counts, times and publishers."""
    answer = await ask(api, policy=WITHOUT_PUBLIC)
    assert (answer["controller"], answer["version"]) == (CONTROLLER, "undated")
    assert answer["totals"]["becomes_violation"] == {
        "flows": 1,
        "events": 5,
        "accesses": 5,
        "publishers": ["collections"],
    }
    assert answer["totals"]["unchanged"]["events"] == 5
    [effect] = answer["effects"]
    assert effect["flow"]["recipient"] == "public"
    assert effect["flow"]["ledger_facts"] == {"loan.overdue": True}
    before, after = effect["before"], effect["after"]
    assert {each["statement"] for each in before["categories"]} == {"sharing.overdue.public"}
    assert (before["outcome"], before["versions"]) == ("permitted", ["undated"])
    assert (after["outcome"], after["kind"]) == ("violation", "undeclared_third_party_sharing")
    assert all(each["is_nearest_miss"] for each in after["categories"])
    assert (effect["first_time"], effect["last_time"]) == (
        "2026-03-02T11:56:00Z",
        "2026-03-02T12:00:00Z",
    )
    assert effect["subjects"] is None  # nobody recorded whose data were permitted


async def test_subjects_are_counted_where_they_are_known(api: httpx.AsyncClient) -> None:
    """Of violations: their events are stored one by one."""
    lenient = POLICY.replace(
        "    recipients: [third_party.lender]\n    when: [loan.overdue]",
        "    recipients: [third_party.lender, third_party.personal_contacts.phone]",
    )
    [effect] = (await ask(api, policy=lenient))["effects"]
    assert (effect["change"], effect["events"], effect["subjects"]) == ("becomes_permitted", 2, 2)
    assert effect["before"]["kind"] == "condition_not_met"
    since = "2026-03-02T12:00:00Z"  # the violations are of the hour before
    assert (await ask(api, policy=lenient, since=since))["effects"] == []


async def test_a_declared_version_is_tried_by_its_name(api: httpx.AsyncClient) -> None:
    """It decides as it did; what lint finds is told with its line, as of a text."""
    answer = await ask(api, controller=CONTROLLER, version="undated")
    assert answer["effects"] == []
    assert answer["digest"] == declared().version(CONTROLLER, "undated").digest
    accepted = [each for each in answer["lint"] if each["statements"] == ["sharing.overdue.public"]]
    assert {each["line"] for each in accepted} == {line_of(POLICY, "- id: sharing.overdue.public")}


async def test_a_version_may_be_several_texts(api: httpx.AsyncClient) -> None:
    """One with the head, and others with further statements."""
    head, further = POLICY.split("  - id: closure.verify", 1)
    parts = [f"statements:\n  - id: closure.verify{further}"]
    assert (await ask(api, policy=head, parts=parts))["effects"] == []
    refused = await api.post(PATH, json={"policy": head, "parts": ["statements: [x]"]})
    assert refused.json()["errors"][0]["field"] == "part 1:1"


async def test_flows_are_listed_on_demand(api: httpx.AsyncClient) -> None:
    """Also those that do not change, and no others."""
    [changed] = (await ask(api, policy=WITHOUT_PUBLIC))["effects"]
    assert (await ask(api, policy=WITHOUT_PUBLIC, limit=0))["effects"] == []
    [same] = (await ask(api, policy=POLICY, flows=[changed["flow"]["id"]]))["effects"]
    assert (same["change"], same["flow"]) == ("unchanged", changed["flow"])


async def test_the_time_begins_with_an_hour(api: httpx.AsyncClient) -> None:
    """Counts are kept by the hour, and the answer says which counted."""
    answer = await ask(api, policy=WITHOUT_PUBLIC, since="2026-03-02T12:30:00Z")
    assert answer["since"] == "2026-03-02T12:00:00Z"
    assert answer["totals"]["becomes_violation"]["events"] == 1
    assert (await ask(api, policy=POLICY, until="2026-03-02T11:00:00Z"))["effects"] == []


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"policy": "statements: ["}, 422, "not valid YAML"),
    ({"policy": BOMB}, 422, "anchors and aliases are not supported"),
    ({"policy": "[" * 200}, 422, "is nested deeper than 32 levels"),
    ({"policy": "just words"}, 422, "the file must be a mapping of fields"),
    ({"policy": "version: 1"}, 422, "a policy lacks `controller`; add it"),
    ({"policy": "controller: linggan-hose"}, 422, "did you mean `linggan-house`?"),
    ({"policy": POLICY, "controller": "wework-labs"}, 422, "`wework-labs` was asked for"),
    ({"policy": POLICY.replace("user.name", "user.nme", 1)}, 422, "did you mean `user.name`?"),
    ({"controller": CONTROLLER, "version": "1"}, 404, "has no declared version `1`"),
    ({"controller": "nobody", "version": "1"}, 404, "`nobody` has no declared version"),
    ({"version": "1"}, 404, "give the text of a policy"),
    ({}, 404, "give the text of a policy"),
    ({"policy": "#" * 262_145}, 413, "the policy has 262,145 bytes, more than the 262,144"),
    ({"policy": "#" * 8_388_608}, 413, "the body exceeds 1048576 bytes"),
    ({"policy": POLICY, "since": "yesterday"}, 422, "not an RFC 3339 time"),
    ({"policy": "a\0b"}, 422, "NUL"),
    ({"policy": POLICY, "flows": ["x"]}, 422, "flows.0"),
    ({"polcy": POLICY}, 422, "there is no parameter `polcy`"),
]


async def test_what_is_no_question_is_refused(api: httpx.AsyncClient) -> None:
    """With what to do about it."""
    for asked, status, said in REFUSED:
        answer = await api.post(PATH, json=asked)
        assert (answer.status_code, said) == (status, said)
        assert answer.headers["content-type"] == "application/problem+json"
        assert said in answer.text


async def test_every_fault_has_its_line(api: httpx.AsyncClient) -> None:
    """All of them at once, as `policy lint` has them."""
    faulty = POLICY.replace("recipients: [public]", "recipients: [publik]").replace(
        "effect: permit", "effect: permits", 1
    )
    problem = (await api.post(PATH, json={"policy": faulty})).json()
    assert problem["type"] == "urn:purposewatch:problem:invalid-policy"
    assert [(each["field"], each["detail"]) for each in problem["errors"]] == [
        (
            f"policy.yaml:{line_of(faulty, 'effect: permits')}",
            "`effect` is `permits`; write `permit` or `prohibit`",
        ),
        (
            f"policy.yaml:{line_of(faulty, 'recipients: [publik]')}",
            "unknown recipient `publik`; did you mean `public`?",
        ),
    ]


async def test_a_policy_of_faults_alone_takes_no_time(api: httpx.AsyncClient) -> None:
    """Looking for what each wrong word was meant to be ends after some of them."""
    words = ", ".join(f"user.wrongword{number}" for number in range(12_000))
    begun = time.process_time()
    faulty = POLICY.replace("data_categories: [user.location]", f"data_categories: [{words}]")
    problem = (await api.post(PATH, json={"policy": faulty})).json()
    assert len(problem["errors"]) == MAX_FAULTS
    assert time.process_time() - begun < 5


class HeldLint:
    """Lint that begins when it is told to; it is to run beside the event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.most = self._running = 0
        self._lint = lint.lint_draft
        monkeypatch.setattr(answering, "lint_draft", self)

    def __call__(self, draft: Any) -> Any:
        self._running += 1
        self.most = max(self.most, self._running)
        self.begun.set()
        assert self.may_go_on.wait(20), "the event loop stands still meanwhile"
        self._running -= 1
        return self._lint(draft)


async def test_the_event_loop_goes_on_meanwhile(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a policy does not hold up what else the reporter does."""
    held = HeldLint(monkeypatch)
    asked = asyncio.ensure_future(ask(api, policy=POLICY))
    assert await asyncio.to_thread(held.begun.wait, 20)
    held.may_go_on.set()
    await asked


async def test_questions_wait_for_each_other_and_not_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time; who has waited for too long is told to try again, and later gets an answer."""
    held = HeldLint(monkeypatch)
    limits = WhatIfLimits(at_once=1, seconds=0.2, policy_bytes=100_000)
    service = WhatIfService(database, declared, POLICIES, limits)
    question = Question([NamedText("policy.yaml", POLICY)])
    refused = await asyncio.gather(
        *(service.answer(question) for _ in range(3)), return_exceptions=True
    )
    assert {type(each) for each in refused} == {TooBusyError}
    assert "there is no answer within 0.2 s; try again" in str(refused[0])
    held.may_go_on.set()
    service.limits = replace(limits, seconds=60)
    answers = await asyncio.gather(*(service.answer(question) for _ in range(2)))
    assert [each.what_if.effects for each in answers] == [(), ()]
    assert held.most == 1


async def test_a_client_is_told_when_to_try_again(database: Database) -> None:
    """A question that got no time at all is answered 503."""
    options = {"policies_dir": POLICIES, "reporter_what_if_seconds": 1e-9}
    async with client_of(database, **options) as client:
        refused = await client.post(PATH, json={"policy": POLICY})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert refused.json()["type"] == "urn:purposewatch:problem:too-busy"
