"""What `purposewatch replay --verify` compares: an answer, and single events decided in full."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from purposewatch_cli.replay.verify import verify
from purposewatch_contract.codec import DecodedVerdict, FastVerdictCodec
from purposewatch_policy import CompiledPolicy
from purposewatch_policy.files import NamedText, read_draft
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web import app as web_app
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic
from tests.unit.reporter.test_api import client_of
from tests.unit.reporter.what_if.borrowers import (
    POLICIES,
    POLICY,
    WITHOUT_PUBLIC,
    ReadPolicies,
    a_day,
    declared,
)


def candidate(text: str) -> CompiledPolicy:
    """A policy, compiled."""
    return read_draft([NamedText("policy.yaml", text)], declared()).compiled


def decoded(values: Sequence[Mapping[str, Any]]) -> list[DecodedVerdict]:
    """Verdicts as they are read from Kafka."""
    codec = FastVerdictCodec()
    return [codec.decode(json.dumps(value).encode()) for value in values]


@pytest.fixture
async def answer(database: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the reporter says of all flows of a day, about the policy without the public."""
    monkeypatch.setattr(web_app, "DeclaredPolicies", ReadPolicies)
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", a_day()))
    async with client_of(database, policies_dir=POLICIES) as client:
        none = {"policy": WITHOUT_PUBLIC, "flows": []}
        flows = sorted({flow.hex() for flow in await _flows(database)})
        asked = await client.post("/api/v1/what-if", json={**none, "flows": flows})
    found: dict[str, Any] = asked.json()
    return found


async def _flows(database: Database) -> list[bytes]:
    async with database.reading() as connection:
        rows = await connection.exec_driver_sql("SELECT id FROM flows WHERE NOT is_other")
        return [row[0] for row in rows]


async def test_events_that_are_decided_again_agree(answer: dict[str, Any]) -> None:
    """Each event, by its flow, with the facts that its verdict used."""
    found = verify(decoded(a_day()), answer, candidate(WITHOUT_PUBLIC))
    assert (found.events, found.flows, found.differences, found.beyond) == (10, 3, (), 0)


async def test_another_policy_is_a_difference(answer: dict[str, Any]) -> None:
    """If the answer were about another text than the one that decides, it would be found."""
    found = verify(decoded(a_day()), answer, candidate(POLICY))
    assert len(found.differences) == 5
    assert "sharing.overdue.public" in found.differences[0].expected
    assert "undeclared_third_party_sharing" in found.differences[0].answered


async def test_whatever_is_wrong_in_the_answer_is_found(answer: dict[str, Any]) -> None:
    """Another outcome, statement or value before or after, or a flow that is not there."""

    def tampered(change: Any) -> int:
        wrong = copy.deepcopy(answer)
        change(next(each for each in wrong["effects"] if each["change"] == "becomes_violation"))
        return len(verify(decoded(a_day()), wrong, candidate(WITHOUT_PUBLIC)).differences)

    assert tampered(lambda each: None) == 0
    assert tampered(lambda each: each["after"]["categories"][0].update(statement="x")) == 5
    assert tampered(lambda each: each["after"]["categories"][0].update(kind="prohibited")) == 5
    assert tampered(lambda each: each["before"]["categories"][0].update(statement="x")) == 5
    assert tampered(lambda each: each["flow"].update(id="0" * 32)) == 5
    assert tampered(lambda each: each.update(after=None, missing_facts=["loan.overdue"])) == 5


async def test_what_is_beyond_the_limit_is_not_compared(answer: dict[str, Any]) -> None:
    """A flow that is missing may be counted under `(other)`."""
    answer["other"]["events"] = 5
    answer["effects"] = [each for each in answer["effects"] if each["change"] == "unchanged"]
    found = verify(decoded(a_day()), answer, candidate(WITHOUT_PUBLIC))
    assert (found.differences, found.beyond) == ((), 5)


async def test_a_fact_that_nobody_looked_up_is_not_known_to_either(
    answer: dict[str, Any],
) -> None:
    """The verdicts depended on it; without what they used, nobody can tell."""
    without = [{**value, "facts": []} for value in a_day()[5:8]]
    [unchanged, *_] = decoded(without)
    assert unchanged.facts == ()
    found = verify(decoded(without), answer, candidate(POLICY))
    assert {each.expected for each in found.differences} == {"not known without loan.overdue"}
    assert found.missing == 3
