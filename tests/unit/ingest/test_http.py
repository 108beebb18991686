"""The HTTP interface."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from structlog.testing import capture_logs

from purposewatch_contract import CanonicalEvent
from purposewatch_ingest.decisions import Decisions
from purposewatch_ingest.http.authentication import Authenticator
from purposewatch_ingest.http.cloudevents import endpoint as events_module
from purposewatch_ingest.http.vocabulary.endpoint import VocabularyEndpoint
from purposewatch_ingest.ingest import Ingest
from purposewatch_policy import PolicySet
from purposewatch_policy.vocabulary import Taxonomy, Vocabulary
from purposewatch_runtime.http import HttpLimits
from purposewatch_runtime.metrics import MetricSet
from tests.harness.http_server import serving
from tests.unit.conftest import SUBJECT_ID
from tests.unit.ingest.conftest import (
    AUTHORIZED,
    BATCHED,
    KEY,
    STRUCTURED,
    FakeProducer,
    post,
    problem,
)

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]


async def test_all_three_content_modes_give_the_same_event(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent
) -> None:
    """Structured, batched and binary requests lead to the same canonical event."""
    document = event()
    attributes = {f"ce-{name}": value for name, value in event().items() if name != "data"}
    responses = [
        await post(client, document),
        await post(client, [document], BATCHED),
        await post(client, document["data"], "application/json", **attributes),
    ]
    assert [response.status_code for response in responses] == [202] * 3
    assert responses[0].json() == {"accepted": 1}
    assert len(producer.records) == 3
    assert len({record.value for record in producer.records}) == 1
    canonical = CanonicalEvent.model_validate_json(producer.records[0].value)
    assert producer.records[0].key == canonical.data.subject.encode()


async def test_traceparent_header_is_passed_on(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent
) -> None:
    """The request's trace context reaches Kafka; a faulty one is ignored, as W3C demands."""
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    faulty = ("\x1b[31m", "ff" + trace[2:], trace.replace("a", "0"), trace.replace("b", "0"))
    for value in (trace, *faulty):
        assert (await post(client, event(), traceparent=value)).status_code == 202
    traced, *untraced = producer.records
    assert ("traceparent", trace.encode()) in traced.headers
    assert [len(record.headers) for record in untraced] == [1] * len(faulty)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {KEY}", KEY, "Bearer " + "x" * 9_000],
)
async def test_without_a_registered_key_nothing_is_accepted(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent, authorization: str
) -> None:
    """Both addresses require a key, and never repeat a wrong one."""
    response = await post(client, event(), Authorization=authorization)
    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")
    for secret in ("wrong", KEY, "xxxxx"):
        assert secret not in response.text
    lookup = await client.get(
        "/v1/vocabulary/wework-labs", headers={"Authorization": authorization}
    )
    problem(lookup, 401, "unauthorized")
    assert producer.records == []


@pytest.mark.parametrize(
    ("content", "content_type", "status", "name"),
    [
        (b"not json", STRUCTURED, 400, "not-json"),
        (b"", STRUCTURED, 400, "not-json"),
        (b"[" * 100_000, STRUCTURED, 400, "not-json"),
        (b'{"id": "\xff"}', STRUCTURED, 400, "not-json"),
        (b'{"id": "\\ud800"}', STRUCTURED, 400, "not-json"),
        (b'{"id": 1, "id": 1}', STRUCTURED, 400, "not-json"),
        (b'{"id": NaN}', STRUCTURED, 400, "not-json"),
        (b'{"id": ' + b"9" * 5_000 + b"}", STRUCTURED, 400, "not-json"),
        (b"not json", BATCHED, 400, "not-json"),
        (b'[{"id": 1, "id": 1}]', BATCHED, 400, "not-json"),
        (b'[{"id": "\xff"}]', BATCHED, 400, "not-json"),
        (b"{}", BATCHED, 422, "invalid-event"),
        (b"[]", STRUCTURED, 422, "invalid-event"),
        (b"[1, null]", BATCHED, 422, "invalid-event"),
        (b"{}", "application/json", 415, "unsupported-media-type"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"[" + b"{}," * 1_000 + b"{}]", BATCHED, 413, "too-large"),
        (b" " * 1_048_577, STRUCTURED, 413, "too-large"),
    ],
)
async def test_kinds_of_bad_content_are_distinguished(
    *,
    client: httpx.AsyncClient,
    producer: FakeProducer,
    content: bytes,
    content_type: str,
    status: int,
    name: str,
) -> None:
    """Each fault has its status and its name."""
    problem(await post(client, content, content_type), status, name)
    assert producer.records == []


@pytest.mark.parametrize(
    ("change", "status", "name", "field"),
    [
        ({"data": {"role": None}}, 422, "invalid-event", "/data/role"),
        ({"data": {"purpose": "marketin"}}, 422, "invalid-event", "/data/purpose"),
        ({"time": "2026-03-02T08:15:00"}, 422, "invalid-event", "/time"),
        ({"time": "2036-03-02T08:15:00Z"}, 422, "invalid-event", "/time"),
        ({"source": "/billing"}, 403, "forbidden", "/source"),
        ({"data": {"controller": "linggan-house"}}, 403, "forbidden", "/data/controller"),
        ({"data": {"controller": "nobody"}}, 422, "invalid-event", "/data/controller"),
    ],
)
async def test_one_bad_event_refuses_the_batch(
    *,
    client: httpx.AsyncClient,
    producer: FakeProducer,
    event: MakeEvent,
    change: dict[str, Any],
    status: int,
    name: str,
    field: str,
) -> None:
    """Errors carry the event's index, and nothing of the batch is published."""
    response = await post(client, [event(), event(id="e-2"), event(**change)], BATCHED)
    found = problem(response, status, name)
    assert [(2, field)] == [(error["index"], error["field"]) for error in found["errors"]]
    assert found["detail"].startswith("1 of 3 events refused")
    assert producer.records == []


async def test_problem_lists_only_so_many_errors(
    client: httpx.AsyncClient, event: MakeEvent
) -> None:
    """A thousand bad events give a bounded answer in bounded time."""
    batch = [event({"purpose": f"p{n}", "role": f"r{n}"}, id=f"e-{n}") for n in range(1_000)]
    found = problem(await post(client, batch, BATCHED), 422, "invalid-event")
    assert len(found["errors"]) == 100
    assert found["detail"].startswith("1000 of 1000 events refused")


async def test_problem_suggests_terms_for_the_first_events(
    client: httpx.AsyncClient, event: MakeEvent
) -> None:
    """Suggestions take time, so that only so many events of a batch get one."""
    batch = [event(), *(event({"purpose": "marketin"}, id=f"e-{n}") for n in range(30))]
    found = problem(await post(client, batch, BATCHED), 422, "invalid-event")
    suggested = [each["index"] for each in found["errors"] if "did you mean" in each["detail"]]
    assert (len(found["errors"]), suggested) == (30, [1, 2, 3, 4])


async def test_answers_and_logs_never_show_personal_values(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent
) -> None:
    """Neither a refusal nor an outage shows the subject, a value, or the key."""
    producer.error = ConnectionError(SUBJECT_ID)
    personal = "ann@example.org"
    with capture_logs() as logs:
        responses = [
            await post(client, event()),
            await post(client, event({personal: personal})),
            await post(client, event({"role": personal, "facts": {personal: True}})),
            await post(client, event(id=f"{personal}\n\x1b[31m")),
            await post(client, event({"subject_id": f"{SUBJECT_ID}\x00"})),
        ]
    for text in [*(response.text for response in responses), json.dumps(logs)]:
        for secret in (SUBJECT_ID, personal, KEY, "\x1b", "\\u001b"):
            assert secret not in text


async def test_kafka_away_is_a_503_that_says_when_to_come_back(
    client: httpx.AsyncClient,
    producer: FakeProducer,
    event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error from Kafka and no answer give the same response; later requests succeed."""
    producer.error = ConnectionError()
    refused = await post(client, event())
    producer.error = None
    with monkeypatch.context() as patch:
        patch.setattr(producer, "publish", lambda _: asyncio.sleep(10))
        silent = await post(client, event())
    for response in (refused, silent):
        problem(response, 503, "kafka-unavailable")
        assert int(response.headers["retry-after"]) >= 1
    assert (await post(client, event())).status_code == 202


async def test_too_many_requests_at_once_are_turned_away(
    client: httpx.AsyncClient,
    producer: FakeProducer,
    event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request that gets no slot in time is refused; later ones succeed when slots are free."""
    release = asyncio.Event()
    monkeypatch.setattr(producer, "publish", lambda _: release.wait())
    held = [asyncio.create_task(post(client, event())) for _ in range(2)]
    await asyncio.sleep(0.05)
    turned_away = await post(client, event())
    problem(turned_away, 503, "busy")
    assert int(turned_away.headers["retry-after"]) >= 1
    release.set()
    assert {202} == {response.status_code for response in await asyncio.gather(*held)}
    assert (await post(client, event())).status_code == 202


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """An ASGI scope of a publishing request."""
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/events",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [
            (b"authorization", AUTHORIZED["Authorization"].encode()),
            (b"content-type", STRUCTURED.encode()),
            *headers,
        ],
    }


async def status_of(api: FastAPI, asked: dict[str, Any], receive: Callable[[], Any]) -> int:
    """The status that a raw ASGI request is answered with."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await api(asked, receive, send)
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize(
    ("headers", "most_reads"),
    [([(b"content-length", b"10485760")], 0), ([(b"content-length", b"9" * 5_000)], 0), ([], 17)],
)
async def test_10_mb_are_refused_without_being_read(
    api: FastAPI, headers: list[tuple[bytes, bytes]], most_reads: int
) -> None:
    """A declared length is enough to refuse; without one, reading ends at the limit."""
    reads = 0

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b" " * 65_536, "more_body": True}

    assert await status_of(api, scope(*headers), receive) == 413
    assert reads <= most_reads


async def test_slow_content_is_given_up(api: FastAPI) -> None:
    """A client that sends its content too slowly is refused at the time limit."""

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    assert await status_of(api, scope(), receive) == 408


async def test_broken_off_content_is_no_event(api: FastAPI, producer: FakeProducer) -> None:
    """A connection that ends early publishes nothing."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert await status_of(api, scope(), receive) == 400
    assert producer.records == []


async def test_defect_is_a_500_that_quotes_nothing(
    client: httpx.AsyncClient, event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect is logged with its location and type only."""

    def fail(*_: object, **__: object) -> None:
        raise KeyError(SUBJECT_ID)

    monkeypatch.setattr(events_module, "traceparent_of", fail)
    with capture_logs() as logs:
        response = await post(client, event())
    problem(response, 500, "internal")
    assert SUBJECT_ID not in response.text + str(logs)
    [entry] = [entry for entry in logs if entry["event"] == "defect"]
    assert entry["error"] == "KeyError"


async def test_vocabulary_can_be_looked_up(client: httpx.AsyncClient) -> None:
    """A publisher sees the terms of its controllers, and no others."""
    answer = (await client.get("/v1/vocabulary/wework-labs")).json()
    assert answer["controller"] == "wework-labs"
    assert {
        "term": "user.name",
        "parent": "user",
        "label": {},
        "synonyms": {},
        "description": {},
        "sensitive": False,
    } in answer["terms"]["data_categories"]
    for other in ("linggan-house", "nobody", "%1b%5b31m"):
        problem(await client.get(f"/v1/vocabulary/{other}"), 404, "not-found")


async def test_vocabulary_can_be_searched(client: httpx.AsyncClient) -> None:
    """A publisher finds terms of its controllers by words, and of no others."""
    address = "/v1/vocabulary/wework-labs/search"
    answer = (await client.get(address, params={"q": "adverts", "limit": 1})).json()
    assert answer["controller"] == "wework-labs"
    [found] = answer["terms"]
    assert (found["dimension"], found["term"]) == ("purposes", "marketing.advertising")
    assert found["matched"] == {
        "field": "term",
        "language": None,
        "text": "marketing.advertising",
    }
    restricted = await client.get(address, params={"q": "advert", "dimension": "recipients"})
    assert [each["term"] for each in restricted.json()["terms"]] == ["third_party.advertising"]
    for other in ("linggan-house", "nobody"):
        problem(
            await client.get(f"/v1/vocabulary/{other}/search", params={"q": "advert"}),
            404,
            "not-found",
        )
    problem(
        await client.get(address, params={"q": "advert"}, headers={"Authorization": "Bearer x"}),
        401,
        "unauthorized",
    )


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"q": ""},
        {"q": "x" * 101},
        {"q": "advert", "dimension": "secrets"},
        {"q": "advert", "limit": "0"},
        {"q": "advert", "limit": "51"},
        {"q": "advert", "limit": "secrets"},
    ],
)
async def test_unusable_searches_are_problems(
    client: httpx.AsyncClient, query: dict[str, str]
) -> None:
    """A missing or impossible parameter is refused without quoting it."""
    response = await client.get("/v1/vocabulary/wework-labs/search", params=query)
    problem(response, 400, "invalid-query")
    assert "secrets" not in response.text


async def test_search_uses_the_current_vocabulary(
    ingest: Ingest, vocabulary: Vocabulary, metric_set: MetricSet
) -> None:
    """After a reload, new terms are found and old ones are not."""
    renewed = replace(
        vocabulary, purposes=Taxonomy.of("purpose", "adverts"), recipients=vocabulary.roles
    )
    read = [Decisions(PolicySet({"wework-labs": vocabulary}, ()))]
    endpoint = VocabularyEndpoint(
        replace(ingest, decisions=lambda: read[-1]),
        Authenticator(ingest.register, metric_set, clock=lambda: 0.0),
    )
    request = Request(
        {
            "type": "http",
            "path_params": {"controller": "wework-labs"},
            "query_string": b"q=advert",
            "headers": [(b"authorization", AUTHORIZED["Authorization"].encode())],
        }
    )
    assert "adverts" not in [each.term for each in (await endpoint.search(request)).terms]
    read.append(Decisions(PolicySet({"wework-labs": renewed}, ())))
    assert [each.term for each in (await endpoint.search(request)).terms] == ["adverts"]


async def test_unknown_addresses_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    """Requests that the framework refuses get a problem like all others."""
    problem(await client.get("/nothing/%1b"), 404, "not-found")
    problem(await client.get("/v1/events"), 405, "method-not-allowed")


async def test_documentation_needs_no_outside_host(client: httpx.AsyncClient) -> None:
    """The documentation page and all that it loads come from ingest itself."""
    page = (await client.get("/docs")).text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith("/")
        assert (await client.get(address)).status_code == 200
    assert "://" not in page


async def test_documentation_runs_no_inline_script(client: httpx.AsyncClient) -> None:
    """The content security policy would stop it; the script that starts the page is a file."""
    page = await client.get("/docs")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert re.findall(r"<script(?![^>]*src=)", page.text) == []
    start = await client.get("/docs/start.js")
    assert start.headers["content-type"].startswith("text/javascript")
    [document] = re.findall(r'url: "([^"]+)"', start.text)
    assert (await client.get(document)).json()["info"]["title"] == "Purposewatch ingest"


@pytest.mark.parametrize("path", ["/v1/events/", "/docs/", "/static-offline-docs"])
async def test_no_redirect_repeats_a_foreign_host(client: httpx.AsyncClient, path: str) -> None:
    """An address with another slash does not exist."""
    response = await client.get(path, headers={"Host": "evil.example"})
    problem(response, 404, "not-found")


def test_an_unknown_key_ends_the_connection(api: FastAPI) -> None:
    """Before anything of the body is read."""
    head = b"POST /v1/events HTTP/1.1\r\nHost: ingest\r\nContent-Length: 1000000\r\n\r\n"
    with serving(api, HttpLimits()) as server:
        received = server.exchange(head).lower()

    assert received.startswith(b"http/1.1 401 ")
    assert b"connection: close" in received
    assert received.count(b"x-content-type-options: nosniff") == 1


async def test_openapi_describes_the_contract(
    client: httpx.AsyncClient, producer: FakeProducer
) -> None:
    """All modes are described, references resolve, and the example would be accepted."""
    document = (await client.get("/openapi.json")).json()
    content = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    assert {STRUCTURED, BATCHED, "application/json"} == set(content)
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in document["components"]["schemas"]
    assert (await post(client, content[STRUCTURED]["example"])).status_code == 202
    assert (await post(client, content[BATCHED]["example"], BATCHED)).status_code == 202
    assert len(producer.records) == 2


async def test_labels_stay_bounded(
    client: httpx.AsyncClient, metric_set: MetricSet, event: MakeEvent
) -> None:
    """Thousands of names and addresses make no new label values."""
    names = [event({"purpose": f"p{n}"}, source=f"/s{n}", id=f"e-{n}") for n in range(1_000)]
    for start in (0, 1):
        await post(client, names[start::2], BATCHED)
        await post(client, [event({"purpose": f"p{n}"}) for n in range(1_000)], BATCHED)
    for n in range(200):
        await client.get("/livez")
        await client.get(f"/address-{n}")
        await client.get(f"/v1/vocabulary/c{n}")
        await client.get("/v1/events", headers={"Authorization": f"Bearer {n}"})
    labels = {
        frozenset(value for key, value in sample.labels.items() if key != "le")
        for metric in metric_set.registry.collect()
        if metric.name.startswith(("purposewatch_ingest", "purposewatch_http"))
        for sample in metric.samples
    }
    expected = {
        frozenset(),
        frozenset({"crm"}),
        frozenset({"crm", "waiting"}),
        frozenset({"crm", "handling"}),
        frozenset({"crm", "http", "forbidden"}),
        frozenset({"crm", "http", "unknown_term"}),
        frozenset({"/v1/events", "403"}),
        frozenset({"/v1/events", "422"}),
        frozenset({"/v1/events", "405"}),
        frozenset({"/v1/vocabulary/{controller}", "404"}),
        frozenset({"other", "404"}),
    }
    assert expected == labels
