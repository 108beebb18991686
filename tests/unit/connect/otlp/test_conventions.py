"""What attributes say, by the semantic conventions and by our own."""

import pytest

from purposewatch_connect.mapping import Action, Terms
from purposewatch_connect.otlp.conventions import Use, UseReader, statement_of

PORTAL = {"db.system.name": "postgresql", "db.namespace": "portal|public"}
MEMBERS = "portal.public.members"

CASES: dict[str, tuple[dict[str, str], list[Use]]] = {
    "collection": (
        PORTAL | {"db.collection.name": "members", "db.operation.name": "SELECT"},
        [Use(Action.READ, MEMBERS)],
    ),
    "earlier names": (
        {
            "db.system": "mongodb",
            "db.name": "portal",
            "db.operation": "findAndModify",
            "db.mongodb.collection": "members",
        },
        [Use(Action.READ, "portal.members")],
    ),
    "delete": (
        {"db.system.name": "mongodb", "db.collection.name": "m", "db.operation.name": "deleteMany"},
        [Use(Action.DELETE, "m")],
    ),
    "write": (
        {"db.system.name": "redis", "db.operation.name": "SET", "db.namespace": "0"},
        [Use(Action.WRITE, "0")],
    ),
    "statement": (
        PORTAL
        | {
            "db.collection.name": "members",
            "db.query.text": "SELECT m.email FROM members m WHERE member_id = $1",
            "db.query.parameter.0": "7",
        },
        [Use(Action.READ, MEMBERS, ("email", "member_id"), subjects={"member_id": ("7",)})],
    ),
    "named parameter": (
        {
            "db.system": "mysql",
            "db.name": "portal",
            "db.statement": "UPDATE `portal`.`members` SET email = ? WHERE member_id = :id",
            "db.query.parameter.id": "8",
        },
        [
            Use(Action.WRITE, "portal.members", ("email",), subjects={"member_id": ("8",)}),
            Use(Action.READ, "portal.members", ("member_id",), subjects={"member_id": ("8",)}),
        ],
    ),
    "literals are removed": (
        PORTAL | {"db.query.text": "SELECT * FROM members WHERE member_id = ?"},
        [Use(Action.READ, MEMBERS)],
    ),
    "no rows": (PORTAL | {"db.query.text": "COMMIT"}, []),
    "unparsed": (
        PORTAL | {"db.query.text": "SELEKT 1"},
        [Use(dataset="portal.public", is_unparsed=True)],
    ),
    "unparsed, but the collection is named": (
        PORTAL | {"db.query.text": "SELEKT 1", "db.collection.name": "members"},
        [Use(dataset=MEMBERS)],
    ),
    "message": (
        {"messaging.destination.name": "visits", "messaging.operation.type": "process"},
        [Use(Action.READ, "messaging://visits")],
    ),
    "object": (
        {"aws.s3.bucket": "b", "aws.s3.key": "ann@x.png", "rpc.method": "S3/PutObject"},
        [Use(Action.WRITE, "s3://b/ann@x.png", label="s3://b")],
    ),
    "call": (
        {"http.method": "POST", "http.url": "https://Mail.example:8443/send?to=ann"},
        [Use(Action.SEND, host="mail.example")],
    ),
    "call of nobody": (
        {"http.request.method": "GET", "url.full": "http://[x"},
        [Use(Action.SEND, host="(unknown host)")],
    ),
    "something else": ({"code.function": "f"}, []),
}


@pytest.mark.parametrize(("attributes", "uses"), CASES.values(), ids=list(CASES))
def test_what_was_used(attributes: dict[str, str], uses: list[Use]) -> None:
    """Stable conventions and earlier ones."""
    assert UseReader().uses(attributes, is_client=True) == uses


def test_a_served_request_is_no_call() -> None:
    """Only the calling side shares anything."""
    attributes = {"http.request.method": "GET", "server.address": "portal.example"}
    assert UseReader().uses(attributes, is_client=False) == []


def test_own_attributes() -> None:
    """Every field of an access can be stated."""
    stated = statement_of(
        {
            "purposewatch.controller": "wework-labs",
            "purposewatch.purpose": "essential",
            "purposewatch.data_categories": "user.name, user.contact,",
            "purposewatch.subject_id": "m-7",
            "purposewatch.retention_days": "30",
            "purposewatch.fact.consent.marketing": "false",
        }
    )
    assert stated.terms == Terms(
        controller="wework-labs",
        purpose="essential",
        retention_days=30,
        facts={"consent.marketing": False},
    )
    assert stated.categories == ("user.name", "user.contact")
    assert (stated.subject_id, stated.is_faulty) == ("m-7", False)


@pytest.mark.parametrize("days", ["-1", "36526", "99999999", "3.5", "\N{SUPERSCRIPT TWO}", ""])
def test_a_retention_that_is_none_is_a_fault(days: str) -> None:
    """And is not left out silently."""
    assert statement_of({"purposewatch.retention_days": days}).is_faulty
