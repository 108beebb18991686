"""Evaluation requests of OpenID AuthZEN's Authorization API 1.0."""

import copy
import json
from typing import Any

import httpx
import pytest

from purposewatch_ingest.settings import IngestSettings
from tests.unit.ingest.conftest import problem

PERMITTED: dict[str, Any] = {
    "subject": {"type": "member", "id": "customer-4711"},
    "action": {"name": "share"},
    "resource": {"type": "data_category", "id": "user.contact.email"},
    "context": {
        "controller": "wework-labs",
        "purpose": "marketing.advertising",
        "recipient": "third_party.advertising",
        "time": "2026-03-02T08:15:00Z",
    },
}
DENIED = PERMITTED | {"resource": {"type": "data_category", "id": "user.name"}}
REFUSED = PERMITTED | {"action": {"name": "can_read"}}


async def evaluate(
    client: httpx.AsyncClient, content: object, path: str = "evaluation", **headers: str
) -> httpx.Response:
    """Post an evaluation request."""
    return await client.post(
        f"/access/v1/{path}",
        content=json.dumps(content),
        headers={"content-type": "application/json", **headers},
    )


def changed(place: str, value: object) -> dict[str, Any]:
    """The permitted request with another value at a place such as `resource.type`."""
    request = copy.deepcopy(PERMITTED)
    *path, last = place.split(".")
    at = request
    for name in path:
        at = at.setdefault(name, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return request


async def test_a_flow_is_evaluated_with_its_reasons(client: httpx.AsyncClient) -> None:
    """The decision is a boolean, and its context says why."""
    permitted = (await evaluate(client, PERMITTED)).json()
    assert (permitted["decision"], permitted["context"]["outcome"]) == (True, "permitted")
    denied = (await evaluate(client, DENIED)).json()
    assert denied["decision"] is False
    assert denied["context"]["kind"] == "undeclared_source"
    [category] = denied["context"]["categories"]
    assert category["failed"][0]["field"] == "/data/source"


async def test_the_whole_flow_counts(client: httpx.AsyncClient) -> None:
    """The rest of the context, and further data categories."""
    stated = changed("context.source", "employer")
    stated["resource"] = DENIED["resource"]
    assert (await evaluate(client, stated)).json()["decision"] is True
    further = changed("resource.properties", {"data_categories": ["user.name"]})
    assert (await evaluate(client, further)).json()["decision"] is False
    early = changed("context.time", "2025-03-02T08:15:00Z")
    assert (await evaluate(client, early)).json()["context"]["kind"] == "policy_not_in_force"


async def test_unknown_fields_are_ignored(client: httpx.AsyncClient) -> None:
    """As AuthZEN demands."""
    for place in ("version", "subject.properties.device", "context.ip", "action.verb"):
        assert (await evaluate(client, changed(place, "x"))).json()["decision"] is True


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        ("subject", None, "/subject"),
        ("subject.id", None, "/subject/id"),
        ("subject.type", "stranger", "/subject/type"),
        ("action.name", 1, "/action/name"),
        ("action.name", "can_read", "/action/name"),
        ("resource.type", "document", "/resource/type"),
        ("resource.id", "secret.category", "/resource/id"),
        ("resource.properties", [], "/resource/properties"),
        ("resource.properties", {"data_categories": "x"}, "/resource/properties/data_categories"),
        (
            "resource.properties",
            {"data_categories": ["user.name", "secret"]},
            "/resource/properties/data_categories/1",
        ),
        ("context", [], "/context"),
        ("context.purpose", None, "/context/purpose"),
        ("context.retention_days", "long", "/context/retention_days"),
        ("context.facts", {"secret": True}, "/context/facts"),
        ("context.time", "yesterday", "/context/time"),
    ],
)
async def test_invalid_requests_are_bad_requests(
    client: httpx.AsyncClient, place: str, value: object, field: str
) -> None:
    """The field is named as in the request, and no value is quoted."""
    response = await evaluate(client, changed(place, value))
    found = problem(response, 400, "invalid-evaluation")
    assert [error["field"] for error in found["errors"]] == [field]
    assert "secret" not in response.text


async def test_what_is_wrong_with_the_whole_is_a_problem(client: httpx.AsyncClient) -> None:
    """Key, controller, content type, JSON, options and number of evaluations."""
    problem(await evaluate(client, PERMITTED, Authorization="Bearer x"), 401, "unauthorized")
    foreign = changed("context.controller", "linggan-house")
    problem(await evaluate(client, foreign), 403, "forbidden")
    plain = {"content-type": "text/plain"}
    problem(await evaluate(client, PERMITTED, **plain), 415, "unsupported-media-type")
    problem(await evaluate(client, [PERMITTED]), 400, "invalid-evaluation")
    faulty: tuple[dict[str, Any], ...] = (
        {"evaluations": {}},
        {"evaluations": [1]},
        {"evaluations": [PERMITTED], "options": []},
        {"evaluations": [PERMITTED], "options": {"evaluations_semantic": "some"}},
    )
    for wrong in faulty:
        problem(await evaluate(client, wrong, "evaluations"), 400, "invalid-evaluation")
    many = {"evaluations": [PERMITTED] * 101}
    problem(await evaluate(client, many, "evaluations"), 413, "too-large")


async def test_several_are_evaluated_in_their_order_with_defaults(
    client: httpx.AsyncClient,
) -> None:
    """What a request leaves out is as in the request around it; a refused one is denied."""
    several = {
        **{name: PERMITTED[name] for name in ("subject", "action", "context")},
        "evaluations": [
            {"resource": PERMITTED["resource"]},
            {"resource": DENIED["resource"]},
            {},
            {"resource": PERMITTED["resource"], "action": {"name": "can_read"}},
        ],
    }
    evaluations = (await evaluate(client, several, "evaluations")).json()["evaluations"]
    assert [each["decision"] for each in evaluations] == [True, False, False, False]
    assert evaluations[2]["context"] == {
        "error": {"status": 400, "message": "`/resource` must be an object; add it"}
    }
    assert evaluations[3]["context"]["error"]["message"].startswith("`/action/name` has an unknown")


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        ("execute_all", [True, False, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
async def test_semantics_end_the_evaluations(
    client: httpx.AsyncClient, semantic: str, expected: list[bool]
) -> None:
    """All of them, or up to the first that is denied or permitted."""
    several = {
        "evaluations": [PERMITTED, DENIED, REFUSED, PERMITTED],
        "options": {"evaluations_semantic": semantic},
    }
    answer = (await evaluate(client, several, "evaluations")).json()
    assert [each["decision"] for each in answer["evaluations"]] == expected


@pytest.mark.parametrize("several", [PERMITTED, PERMITTED | {"evaluations": []}])
async def test_evaluations_without_any_are_a_single_one(
    client: httpx.AsyncClient, several: dict[str, Any]
) -> None:
    """Then the answer is a single decision as well."""
    assert (await evaluate(client, several, "evaluations")).json()["decision"] is True


async def test_the_request_identifier_comes_back(client: httpx.AsyncClient) -> None:
    """In answers and in problems; without one, there is none."""
    for content in (PERMITTED, REFUSED):
        response = await evaluate(client, content, **{"x-request-id": "bfe9eb29"})
        assert response.headers["x-request-id"] == "bfe9eb29"
    assert "x-request-id" not in (await evaluate(client, PERMITTED)).headers


async def test_metadata_names_the_endpoints(client: httpx.AsyncClient) -> None:
    """Without a key, under the public address."""
    response = await client.get("/.well-known/authzen-configuration", headers={"Authorization": ""})
    assert response.json() == {
        "policy_decision_point": "https://ingest.example.com",
        "access_evaluation_endpoint": "https://ingest.example.com/access/v1/evaluation",
        "access_evaluations_endpoint": "https://ingest.example.com/access/v1/evaluations",
    }


@pytest.mark.parametrize("url", ["http://a.example", "https://", "https://a.example/path"])
def test_public_address_is_an_origin(url: str) -> None:
    """AuthZEN demands HTTPS, and the metadata are at the root."""
    with pytest.raises(ValueError, match="ingest_public_url"):
        IngestSettings.model_validate(
            {"ingest_public_url": url, "pseudonym_key": "ab" * 32, "publishers_file": "x"}
        )
