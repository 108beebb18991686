"""The HTTP API over a database with known content."""

import base64
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from purposewatch_reporter.alerts.episodes import AlertLifecycle
from purposewatch_reporter.alerts.routing import WebhookSpec, to_one
from purposewatch_reporter.api.ledger import ledger_routes
from purposewatch_reporter.app import build_app
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.reconciliation.reconciler import Reconciler, ReconciliationReport
from purposewatch_reporter.reconciliation.topic import TopicReconciliation, reconcile
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import EpochNote
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.records import dead_letter, in_topic, verdict

API = "/api/v1"
SURROGATE, NUL = "\\ud800", "\\u0000"  # as JSON writes them
TOKEN = "a token of enough letters"
START = datetime.fromisoformat("2026-03-02T08:00:00+00:00")


def at(minutes: int) -> str:
    """A time so many minutes after the start."""
    return (START + timedelta(minutes=minutes)).isoformat()


def cursor(time: str, name: str) -> str:
    """A cursor with these parts, as JSON writes them."""
    return base64.urlsafe_b64encode(f'["{time}","{name}"]'.encode()).decode().rstrip("=")


def client_of(database: Database, **settings: Any) -> httpx.AsyncClient:
    """A client of an application that reads that database; nothing is started."""
    given = {
        "database_url": database._url.render_as_string(hide_password=False),
        "policies_dir": "no-policies",  # severities need none
        **settings,
    }
    app, _ = build_app(ReporterSettings.model_validate(given))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")


@pytest.fixture
async def api(database: Database, ledger_writer: LedgerWriter) -> AsyncIterator[httpx.AsyncClient]:
    """Twelve events: violations, unknowns, permitted ones, a conflict; two dead letters.

    The first violation stands for 250 accesses.
    """
    values = [
        verdict(
            0,
            offset,
            outcome=["violation", "unknown", "permitted"][offset % 3],
            kind="prohibited" if offset == 0 else None,
            categories={
                "user.name": ["violation", "unknown", "permitted"][offset % 3],
                "user.contact": "permitted",
            },
            event_time=at(20 * offset),
            publisher="crm" if offset < 6 else "shop",
            role="member" if offset % 2 else "visitor",
            count=250 if offset == 0 else 1,
        )
        for offset in range(12)
    ]
    values.append(verdict(0, 12, event_id="event-0-0", content="other"))
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    letters = [
        dead_letter(0, 13, failed_time=at(1)),
        dead_letter(0, 7, topic="raw", error_class="not_json", failed_time=at(2)),
    ]
    await ledger_writer.record_dead_letters(in_topic("dead-letters", letters))
    async with client_of(database) as client:
        yield client


async def offsets(api: httpx.AsyncClient, path: str, **query: Any) -> list[int]:
    """The offsets of the items on a log epoch."""
    answer = await api.get(f"{API}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return [item["position"]["offset"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [10, 9, 7, 6, 4, 3, 1, 0]),
        ({"outcome": "unknown"}, [10, 7, 4, 1]),
        ({"kind": "prohibited"}, [0]),
        ({"publisher": "shop", "role": "member"}, [9, 7]),
        ({"category": "user.name"}, [10, 9, 7, 6, 4, 3, 1, 0]),
        ({"category": "user.contact"}, []),
        ({"event_id": "event-0-4"}, [4]),
        ({"controller": "linggan-house"}, []),
        ({"purpose": "marketing.advertising", "recipient": "first_party", "limit": "2"}, [10, 9]),
        ({"since": at(120), "until": at(180)}, [7, 6]),
        ({"since": "2026-03-02T18:00:00+08:00"}, [10, 9, 7, 6]),
    ],
    ids=str,
)
async def test_violations_are_filtered(
    api: httpx.AsyncClient, query: dict[str, str], expected: list[int]
) -> None:
    """Every given filter must match; newest first; since is included, until is not."""
    assert await offsets(api, "violations", **query) == expected


async def test_a_violation_has_its_reasons(api: httpx.AsyncClient) -> None:
    """In the list in short, by itself with the whole verdict."""
    [item] = (await api.get(f"{API}/violations", params={"kind": "prohibited"})).json()["items"]
    assert item["summary"] == "`user.name` is violation."
    assert item["categories"] == ["user.name"]
    assert (item["statement"], item["clause"]) == ("members.contact.use", "members.1")
    assert (item["grade"], item["policy_version"]) == ("omitted", "2018-05-25")
    assert item["event_time"] == "2026-03-02T08:00:00Z"
    assert "verdict" not in item
    detail = (await api.get(f"{API}/violations/{item['id']}")).json()
    assert detail.pop("verdict")["categories"][1]["outcome"] == "permitted"
    assert detail == item


async def test_paging_is_stable_while_rows_are_added(
    api: httpx.AsyncClient, ledger_writer: LedgerWriter
) -> None:
    """No row twice, none left out, whatever is recorded between two log epochs."""
    seen: list[int] = []
    cursor: str | None = None
    for number in range(9):
        query = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        log_epoch = (await api.get(f"{API}/violations", params=query)).json()
        seen += [item["position"]["offset"] for item in log_epoch["items"]]
        cursor = log_epoch["next"]
        if cursor is None:
            break
        new = verdict(0, 100 + number, outcome="violation", event_time=at(10_000 + number))
        await ledger_writer.record_verdicts(in_topic("verdicts", [new], start=13 + number))
    assert seen == [10, 9, 7, 6, 4, 3, 1, 0]


async def test_rows_of_the_same_moment_are_log_epochd_too(
    api: httpx.AsyncClient, ledger_writer: LedgerWriter
) -> None:
    """The id decides where times are equal."""
    values = [verdict(0, 50 + n, outcome="violation", event_time=at(5000)) for n in range(7)]
    await ledger_writer.record_verdicts(in_topic("verdicts", values, start=13))
    seen: list[int] = []
    cursor = ""
    for _ in range(4):
        query = {"limit": "2", "since": at(5000), **({"cursor": cursor} if cursor else {})}
        log_epoch = (await api.get(f"{API}/violations", params=query)).json()
        seen += [item["position"]["offset"] for item in log_epoch["items"]]
        cursor = log_epoch["next"]
    assert sorted(seen) == list(range(50, 57))
    assert cursor is None


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ("since=2026-03-02T08:00:00", "since", "not an RFC 3339 time with zone, such as"),
        ("since=2026-03-02", "since", "not an RFC 3339 time with zone"),
        ("since=1772438400", "since", "not an RFC 3339 time with zone"),
        ("since=2026-02-30T08:00:00Z", "since", "not a time that exists"),
        ("since=2026-03-02T08:00:00+08:00", "since", "send `+` as `%2B` in a URL"),
        (
            "since=2026-03-02T08:00:00Z&until=2026-03-02T08:00:00Z",
            "",
            "`since` must be before `until`",
        ),
        ("kind=wrong", "kind", "input should be 'policy_not_in_force', "),
        ("outcome=bad", "outcome", "input should be 'permitted'"),
        ("role=Not A Term", "role", "string should match pattern"),
        ("limit=501", "limit", "less than or equal to 500"),
        ("limit=0", "limit", "greater than or equal to 1"),
        ("colour=red", "colour", "there is no parameter `colour`"),
        ("cursor=xyz", "cursor", "take it from `next` of the page before"),
        ("cursor=WyIyMDI2LTAxLTAxIiwgMV0", "cursor", "take it from `next`"),
        ("cursor=%C3%A9", "cursor", "take it from `next`"),
        (f"cursor={cursor(at(0), SURROGATE)}", "cursor", "take it from `next`"),
        (f"cursor={cursor(at(0), NUL)}", "cursor", "take it from `next`"),
        (f"cursor={cursor('0001-01-01T00:00:00+01:00', 'a')}", "cursor", "take it from `next`"),
        ("since=0001-01-01T00:00:00%2B01:00", "since", "outside the years 1 to 9999 in UTC"),
        ("until=9999-12-31T23:59:59-00:01", "until", "outside the years 1 to 9999 in UTC"),
        ("since=a%00", "since", "must not contain NUL characters"),
        ("event_id=a%00b", "event_id", "must not contain NUL characters"),
        ("limit=9223372036854775808", "limit", "less than or equal to 500"),
    ],
)
async def test_faulty_parameters_are_explained(
    api: httpx.AsyncClient, query: str, field: str, detail: str
) -> None:
    """As problem details that name the parameter and say what to do."""
    answer = await api.get(f"{API}/violations?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:purposewatch:problem:invalid-parameters"
    [error] = problem["errors"]
    assert error["field"] == field
    assert detail in error["detail"]


@pytest.mark.parametrize("name", ["%00", "%E4%B8%80", "A" * 32, "0" * 31 + "%0A"])
async def test_an_id_that_can_not_be_is_refused(api: httpx.AsyncClient, name: str) -> None:
    """Also under a path that is deprecated, whose answers repeat it in a header."""
    for path in ("violations/{}", "findings/{}", "conflicts/{}"):
        assert (await api.get(f"{API}/{path.format(name)}")).status_code == 422, path
    for path in ("silences/{}/end", "suppressions/{}/end"):
        answer = await api.post(f"{API}/{path.format(name)}", json={"by": "olivia"})
        assert answer.status_code == 422, path


@pytest.mark.parametrize(
    "body",
    [
        r'{"\ud800": 1}',
        r'{"matchers": {"\ud800": 1}}',
        r'{"matchers": {"role": "member"}, "reason": "\ud800", "author": "a"}',
        r'{"matchers": {"role": "member"}, "reason": "\u0000", "author": "a"}',
        r'{"matchers": {"role": "member"}, "expires_time": "\ud800"}',
        r'{"matchers": {"role": "member"}, "expires_time": "9999-12-31T23:59:59-01:00"}',
    ],
)
async def test_a_body_that_can_not_be_stored_is_refused(api: httpx.AsyncClient, body: str) -> None:
    """And the answer can be encoded, whatever it repeats."""
    headers = {"Content-Type": "application/json"}
    answer = await api.post(f"{API}/silences", content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_what_is_not_there_is_not_found(api: httpx.AsyncClient) -> None:
    """As problem details too."""
    for path in (f"{API}/violations/{'0' * 32}", f"{API}/conflicts/{'0' * 32}", "/nowhere"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
        assert answer.headers["content-type"] == "application/problem+json"


async def counts(api: httpx.AsyncClient, query: str) -> tuple[int, list[tuple[Any, ...]]]:
    """Total and groups."""
    answer = await api.get(f"{API}/counts?{query}")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["accesses"] == sum(group.pop("accesses") for group in body["groups"])
    return body["total"], [tuple(group.values()) for group in body["groups"]]


async def test_counts_are_grouped_as_asked(api: httpx.AsyncClient) -> None:
    """Events or decisions, by any dimensions; the conflict is in none of them."""
    assert await counts(api, "") == (12, [(12,)])
    assert await counts(api, "by=outcome&by=kind") == (
        12,
        [
            ("permitted", None, 4),
            ("unknown", None, 4),
            ("violation", "prohibited", 1),
            ("violation", "undeclared_purpose", 3),
        ],
    )
    assert await counts(api, "of=decisions&by=category&outcome=violation") == (
        4,
        [("user.name", 4)],
    )
    assert await counts(api, "of=decisions&category=user.contact&role=member") == (6, [(6,)])
    assert await counts(api, "publisher=shop&kind=prohibited") == (0, [])
    hours = "since=2026-03-02T09:00:00Z&until=2026-03-02T11:00:00Z&by=hour"
    assert await counts(api, hours) == (
        6,
        [("2026-03-02T09:00:00Z", 3), ("2026-03-02T10:00:00Z", 3)],
    )


async def test_accesses_are_counted_apart(api: httpx.AsyncClient) -> None:
    """In counts, findings and violations."""
    answer = (await api.get(f"{API}/counts?by=outcome")).json()
    assert (answer["total"], answer["accesses"]) == (12, 261)
    by_outcome = {each["outcome"]: (each["count"], each["accesses"]) for each in answer["groups"]}
    assert by_outcome == {"permitted": (4, 4), "unknown": (4, 4), "violation": (4, 253)}
    decisions = (await api.get(f"{API}/counts?of=decisions&category=user.contact")).json()
    assert (decisions["total"], decisions["accesses"]) == (12, 261)
    [finding] = (await api.get(f"{API}/findings?kind=prohibited")).json()["items"]
    names = ("count", "accesses", "episode_count", "episode_accesses", "silenced_accesses")
    assert [finding[name] for name in names] == [1, 250, 1, 250, 0]
    items = (await api.get(f"{API}/violations?outcome=violation")).json()["items"]
    assert [item["accesses"] for item in items] == [1, 1, 1, 250]


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ("since=2026-03-02T08:30:00Z", "since", "give a whole hour in UTC"),
        ("since=2026-03-02T08:00:00%2B05:30", "since", "give a whole hour in UTC"),
        ("by=role", "by", "counts of events are not kept by `role`; ask for `of=decisions`"),
        ("of=decisions&publisher=crm", "publisher", "ask for `of=events`"),
        ("by=colour", "by.0", "input should be 'hour'"),
    ],
)
async def test_counts_that_are_not_kept_are_refused(
    api: httpx.AsyncClient, query: str, field: str, detail: str
) -> None:
    """Rather than answered with something else."""
    answer = await api.get(f"{API}/counts?{query}")
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert detail in error["detail"]


async def test_dead_letters_say_where_and_why(api: httpx.AsyncClient) -> None:
    """Where the original stands, where it is kept, and the reason."""
    items = (await api.get(f"{API}/dead-letters")).json()["items"]
    assert [item["error_class"] for item in items] == ["not_json", "invalid_event"]
    assert items[0]["origin"] == {"topic": "data-access.raw", "partition": 0, "offset": 7}
    assert items[0]["kept"] == {"topic": "data-access.dead-letters", "partition": 0, "offset": 1}
    assert items[0]["reason"] == "the record breaks the contract"
    query = {"topic": "data-access.events", "consumer": "auditor", "error_class": "invalid_event"}
    [item] = (await api.get(f"{API}/dead-letters", params=query)).json()["items"]
    assert item["origin"]["offset"] == 13


async def test_conflicts_name_both_events(api: httpx.AsyncClient) -> None:
    """The one that was set apart and the one that came first."""
    query = {"publisher": "crm", "event_id": "event-0-0"}
    [item] = (await api.get(f"{API}/conflicts", params=query)).json()["items"]
    assert (item["position"]["offset"], item["first"]["offset"]) == (12, 0)
    detail = (await api.get(f"{API}/conflicts/{item['id']}")).json()
    assert detail["verdict"]["event_id"] == "event-0-0"


async def test_the_outbox_is_summed_up(api: httpx.AsyncClient, database: Database) -> None:
    """Alerts that wait for a channel that is no longer configured show as well."""
    episodes = AlertLifecycle(
        database,
        to_one(WebhookSpec("webhook", SecretStr("https://hooks.example"))),
        quiet=timedelta(hours=1),
        clock=lambda: NOW,
    )
    await episodes.advance()
    findings = (await api.get(f"{API}/findings")).json()["items"]
    assert (await api.get(f"{API}/outbox")).json() == {
        "channels": [
            {
                "channel": "webhook",
                "configured": False,
                "waiting": len(findings) + 1,  # the conflict is a notice
                "open": len(findings) + 1,
                "delivered": 0,
                "failing": 0,
                "oldest_waiting": "2026-03-02T09:00:00Z",
                "failing_since": None,
                "last_success": None,
                "last_error": None,
            }
        ]
    }


@pytest.mark.parametrize("resource", ["ledger", "books"])
async def test_a_ledger_that_was_not_reconciled_is_not_shown(
    api: httpx.AsyncClient, resource: str
) -> None:
    """Until the first reconciliation with Kafka nothing is known."""
    answer = await api.get(f"{API}/{resource}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_ledger_answers_with_the_names_of_the_ledger_in_0_1(database: Database) -> None:
    """For one release, with a header that says that it is deprecated, and what replaces it."""
    current = reconcile(0, PartitionLedger(log_epoch=1, started_time=NOW), 3)
    ended = reconcile(0, PartitionLedger(ended_time=NOW), None)
    events = TopicReconciliation((current,), (ended,))
    note = EpochNote("events", 0, 1, NOW, "rewritten")
    reconciler = cast(
        "Reconciler",
        SimpleNamespace(
            latest=ReconciliationReport(NOW, events, TopicReconciliation((current,)), (note,))
        ),
    )
    app = FastAPI()
    app.include_router(ledger_routes(reconciler), prefix=API)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        new = await client.get(f"{API}/ledger")
        old = await client.get(f"{API}/books")
    assert "deprecation" not in new.headers
    assert old.headers["deprecation"].startswith("@")
    assert old.headers["link"] == '</api/v1/ledger>; rel="successor-version"'
    ledger, books = new.json(), old.json()
    assert books["balanced"] is ledger["reconciled"] is False
    assert books["totals"] == ledger["totals"]
    for kind, old_kind in (("partitions", "partitions"), ("ended", "closed")):
        [partition], [same] = ledger[kind], books[old_kind]
        assert same["page"] == partition["log_epoch"]
    assert books["partitions"][0]["balanced"] is False
    assert books["partitions"][0]["booked_end"] == ledger["partitions"][0]["recorded_end"]
    assert books["raw"]["partitions"][0]["page"] == 1
    [page] = books["pages"]
    assert (page["page"], page["opened_time"]) == (1, ledger["epochs"][0]["started_time"])
    assert "log_epoch" not in old.text


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        ("violations", {"booked_time": "recorded_time"}),
        ("conflicts", {"booked_time": "recorded_time"}),
        ("dead-letters", {"booked_time": "recorded_time"}),
        (
            "findings",
            {
                "first_booked_time": "first_recorded_time",
                "last_booked_time": "last_recorded_time",
            },
        ),
    ],
)
async def test_recorded_times_answer_to_their_names_in_0_1(
    api: httpx.AsyncClient, resource: str, names: dict[str, str]
) -> None:
    """For one release both names are in the answer."""
    [item, *_] = (await api.get(f"{API}/{resource}")).json()["items"]
    assert {old: item[old] for old in names} == {old: item[new] for old, new in names.items()}


async def test_a_token_is_asked_for_when_set(database: Database) -> None:
    """By every resource of the API; probes, metrics and the documentation are open."""
    async with client_of(database, reporter_api_token=TOKEN) as api:
        for resource in (
            "violations",
            "counts",
            "ledger",
            "dead-letters",
            "conflicts",
            "outbox",
            "gaps",
            "flows",
        ):
            for headers in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": f"Basic {TOKEN}"},
            ):
                answer = await api.get(f"{API}/{resource}", headers=headers)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
        answer = await api.get(f"{API}/counts", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert (await api.get("/livez")).status_code == 200
        assert (await api.get("/readyz")).status_code == 503
        assert "purposewatch_build_info" in (await api.get("/metrics")).text


async def test_wrong_tokens_are_logged_with_their_address_only(
    database: Database, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A few times, however often they come, and never with what was sent."""
    async with client_of(database, reporter_api_token=TOKEN) as api:
        for _ in range(20):
            await api.get(f"{API}/counts", headers={"Authorization": "Bearer a-wrong-token"})
    said = capsys.readouterr().out + caplog.text

    assert said.count("API token refused") == 3
    assert "127.0.0.1" in said
    assert "a-wrong-token" not in said


async def test_the_documentation_needs_no_other_host(database: Database) -> None:
    """It works where there is no way out to the internet."""
    async with client_of(database) as api:
        log_epoch = (await api.get("/docs")).text
        assert "https://" not in log_epoch.replace("https://github.com", "")
        script = log_epoch.split('src="')[1].split('"')[0]
        assert (await api.get(script)).status_code == 200
        schema = (await api.get("/openapi.json")).json()
    assert f"{API}/violations/{{id}}" in schema["paths"]


@pytest.mark.parametrize(
    "text",
    [
        "' OR '1'='1",
        "x' UNION SELECT username FROM accounts --",
        "'; DROP TABLE violations; --",
        "%",
        "event-0-_",
    ],
)
async def test_a_filters_value_is_no_sql(api: httpx.AsyncClient, text: str) -> None:
    """Free texts are looked up exactly as given."""
    for path, names in {
        "violations": ["event_id"],
        "conflicts": ["event_id"],
        "dead-letters": ["topic", "consumer"],
    }.items():
        for name in names:
            answer = await api.get(f"{API}/{path}", params={name: text})
            assert (answer.status_code, answer.json()["items"]) == (200, [])
    assert len((await api.get(f"{API}/violations")).json()["items"]) == 8


async def test_a_refused_method_is_told_every_other_one(api: httpx.AsyncClient) -> None:
    """Also where a path has several routes."""
    answer = await api.delete(f"{API}/silences")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_a_number_is_not_a_time(api: httpx.AsyncClient) -> None:
    """Not seconds, and not milliseconds either."""
    asked = {"matchers": {"role": "member"}, "reason": "x", "author": "x", "expires_time": 0}
    answer = await api.post(f"{API}/silences", json=asked)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["expires_time"]


async def test_a_deprecated_path_of_any_characters_names_its_successor(
    api: httpx.AsyncClient,
) -> None:
    """Percent-encoded, because a header can't hold them."""
    answer = await api.post(f"{API}/suppressions/\u0100/end", json={"by": "officer"})
    assert answer.status_code == 422
