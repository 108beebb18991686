"""The page for publishers says what ingest does."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import purposewatch_contract
from purposewatch_contract import (
    DEAD_LETTERS,
    FACT_TYPE,
    RAW,
    ErrorClass,
    SubmittedData,
    SubmittedEvent,
    topic_name,
)
from purposewatch_contract.codec import DecodedFlow, Flow
from purposewatch_contract.submission import parse_json, read_event, read_fact
from purposewatch_ingest.decisions import Decisions
from purposewatch_ingest.http.decisions.answers import Decided
from purposewatch_ingest.http.decisions.answers import Decisions as DecisionAnswers
from purposewatch_ingest.http.problems import Problem, ProblemKind
from purposewatch_policy import load_policies

ROOT = Path(purposewatch_contract.__file__).parents[4]
PAGE = (ROOT / "docs" / "publishing-events.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def test_events_and_facts_on_the_page_satisfy_the_contract() -> None:
    """Every one that is shown whole, in JSON or in a command, is valid."""
    texts = [text for language, text in BLOCKS if language == "json" and "specversion" in text]
    texts += re.findall(r"(\{\"specversion\".*?\}\})", PAGE, re.DOTALL)
    assert len(texts) >= 3
    for text in texts:
        read = read_fact if FACT_TYPE in text else read_event
        read(parse_json(text.encode()))
    assert any(FACT_TYPE in text for text in texts)


def test_problem_on_the_page_is_one() -> None:
    """The example of an answer has the shape of an answer."""
    [text] = [text for language, text in BLOCKS if language == "json" and '"errors"' in text]
    Problem.model_validate(json.loads(text), strict=True)


def test_decision_on_the_page_is_the_answer() -> None:
    """To the request above it, by our own policies, but for the digest."""
    [text] = [text for language, text in BLOCKS if language == "json" and '"decisions"' in text]
    [asked] = re.findall(r"v1/decisions .*? -d '(.*?)'", PAGE, re.DOTALL)
    [shown] = json.loads(text)["decisions"]
    flow = DecodedFlow(msgspec.json.decode(asked, type=Flow), "")
    decisions = Decisions(load_policies(ROOT / "policies"))
    answer = json.loads(decisions.answer(flow, datetime(2026, 3, 2, tzinfo=UTC), "en").content)
    DecisionAnswers.model_validate({"decisions": [shown]})
    assert shown == {"index": 0, **answer, "policy_digest": "0f3c…"}


def test_fact_that_has_to_hold_is_described() -> None:
    """What an event states about a fact is true or false."""
    flow = Flow(
        controller="wework-labs",
        role="visitor",
        operation="store",
        purpose="functional.service.search",
        recipient="authority.administrative",
        data_categories=("user.contact.url",),
        facts={"visit.website": False},
    )
    answer = Decisions(load_policies(ROOT / "policies")).answer(
        DecodedFlow(flow, ""), datetime(2018, 11, 10, tzinfo=UTC), "en"
    )
    [category] = json.loads(answer.content)["categories"]
    changes = category["smallest_change"]["event"]["changes"]
    assert False in [change["before"] for change in changes]
    Decided.model_validate_json(answer.content, strict=True)


@pytest.mark.parametrize("kind", ProblemKind, ids=lambda kind: kind.label)
def test_every_problem_is_explained(kind: ProblemKind) -> None:
    """Each problem has a row with its status."""
    assert f"| {kind.status} | `{kind.label}` |" in PAGE


@pytest.mark.parametrize("error_class", ErrorClass)
def test_every_error_class_is_explained(error_class: ErrorClass) -> None:
    """Each class of dead letters has a row."""
    assert f"| `{error_class}` |" in PAGE


@pytest.mark.parametrize(
    "field", [*(f"data.{name}" for name in SubmittedData.model_fields), "traceparent", "time", "id"]
)
def test_every_field_is_explained(field: str) -> None:
    """Each field of an event has a row, save for the fixed attributes that the example shows."""
    assert field.removeprefix("data.") in SubmittedData.model_fields | SubmittedEvent.model_fields
    assert f"| `{field}` |" in PAGE


@pytest.mark.parametrize("code", [text for language, text in BLOCKS if language == "python"])
def test_python_on_the_page_compiles(code: str) -> None:
    """The Python examples are at least Python."""
    compile(code, "publishing-events.md", "exec")


def test_topics_have_their_default_names() -> None:
    """The page names the topics as they are by default."""
    for name in (RAW, DEAD_LETTERS):
        assert f"`{topic_name('data-access', name)}`" in PAGE
