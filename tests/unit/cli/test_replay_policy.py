"""`purposewatch replay NEW_POLICY`: what the command asks, prints, and ends with."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from purposewatch_cli.main import app
from purposewatch_cli.replay import new_policy
from purposewatch_cli.reporter_api import ReporterError
from purposewatch_policy import load_policies

POLICIES = Path(__file__).parents[3] / "policies"
CONTROLLER = "linggan-house"
runner = CliRunner()

NOTHING = {"flows": 0, "events": 0, "accesses": 0, "publishers": []}
CATEGORY = {
    "data_category": "user.name",
    "outcome": "permitted",
    "kind": None,
    "statement": "sharing.overdue.public",
    "is_nearest_miss": False,
}
EFFECT = {
    "change": "becomes_violation",
    "flow": {
        "id": "ab" * 16,
        "role": "user",
        "operation": "share",
        "recipient": "public",
        "purpose": "finance.debt_collection",
        "data_categories": ["user.name"],
    },
    "before": {"outcome": "permitted", "kind": None, "categories": [CATEGORY], "versions": ["1"]},
    "after": {
        "outcome": "violation",
        "kind": "undeclared_third_party_sharing",
        "categories": [
            CATEGORY | {"statement": "sharing.overdue.lenders", "is_nearest_miss": True}
        ],
    },
    "missing_facts": [],
    "events": 1_234,
    "publishers": ["collections"],
    "last_time": "2026-03-02T12:00:00Z",
}


class Reporter:
    """Gives one answer, and remembers what it was asked."""

    def __init__(self, effects: list[dict[str, Any]]) -> None:
        digest = load_policies(POLICIES).version(CONTROLLER, "undated").digest
        changes = ("becomes_permitted", "changes_kind", "becomes_unknown", "not_known", "unchanged")
        amount = {**NOTHING, "flows": len(effects), "events": sum(e["events"] for e in effects)}
        self.answer: dict[str, Any] = {
            "digest": digest,
            "since": None,
            "totals": {"becomes_violation": {**amount, "accesses": amount["events"]}}
            | dict.fromkeys(changes, NOTHING),
            "other": NOTHING | {"events": 7},
            "carried": NOTHING,
            "not_stated": [{"dimension": "location", "term": None}],
            "effects": effects,
            "all_effects": len(effects),
        }
        self.asked: list[Mapping[str, Any]] = []

    def __call__(self, *_: Any) -> "Reporter":
        return self

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer."""
        assert path == "/what-if"
        self.asked.append(body)
        return self.answer


def replay(*options: str) -> Any:
    """Run the command on the declared policies."""
    arguments = ["replay", f"{POLICIES / CONTROLLER}@undated", "--policies", str(POLICIES)]
    return runner.invoke(app, [*arguments, *options], env={"COLUMNS": "180"})


def test_what_would_change_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """With statements before and after, and what the answer leaves out; the status says so."""
    reporter = Reporter([EFFECT])
    monkeypatch.setattr(new_policy, "ReporterApi", reporter)
    result = replay("--since", "2026-03-01T00:00:00Z", "--limit", "5")
    assert result.exit_code == 1
    [asked] = reporter.asked
    assert asked["policy"] == (POLICIES / CONTROLLER / "policy.undated.yaml").read_text()
    assert (asked["controller"], asked["limit"]) == (CONTROLLER, 5)
    assert asked["since"] == "2026-03-01T00:00:00+00:00"
    for said in (
        "WOULD BECOME A VIOLATION",
        "1,234",
        "sharing.overdue.public",
        "undeclared_third_party_sharing",
        "nearest: sharing.overdue.lenders",
        "user: share -> public for finance.debt_collection",
        "1,234 events of 1 flow: would become a violation",
        "7 events are beyond the limit of distinct flows, and are not decided",
        "no event states anything as location, on which the policy depends",
    ):
        assert said in result.output


def test_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 0; JSON Lines end with the numbers."""
    monkeypatch.setattr(new_policy, "ReporterApi", Reporter([]))
    result = replay("--json")
    assert result.exit_code == 0
    [line] = map(json.loads, result.output.splitlines())
    assert (line["type"], line["all_effects"], line["other"]["events"]) == ("summary", 0, 7)


def test_another_vocabulary_can_not_be_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reporter would read the same text otherwise; no Kafka is asked."""
    reporter = Reporter([])
    reporter.answer["digest"] = "0" * 64
    monkeypatch.setattr(new_policy, "ReporterApi", reporter)
    monkeypatch.setattr(new_policy, "run_on_kafka", lambda _: pytest.fail("Kafka was asked"))
    result = replay("--verify", "10")
    assert result.exit_code == 2
    assert "their vocabularies differ" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a NEW_POLICY"),
        (["draft.yaml", "--affected-by", "loan.overdue"], "name a NEW_POLICY"),
        (["--verify", "5", "--affected-by", "loan.overdue"], "name a NEW_POLICY"),
        (["missing.yaml"], "`missing.yaml` does not exist"),
        ([f"{POLICIES / CONTROLLER}@9"], "has no version `9`"),
        ([str(POLICIES)], "choose one with `--controller`"),
        ([f"{POLICIES / CONTROLLER}@undated", "--since", "soon"], "`soon` is not a time"),
        ([f"{POLICIES / CONTROLLER}@undated", "--reporter", "x"], "`x` is not an address"),
    ],
)
def test_what_can_not_be_asked_is_refused(arguments: list[str], said: str) -> None:
    """With what to write instead."""
    result = runner.invoke(app, ["replay", "--policies", str(POLICIES), *arguments])
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_reporters_complaint_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the faults that only it can find."""

    def post(*_: Any) -> None:
        message = "the reporter answered 422: the policy has faults\npolicy.yaml:3: no"
        raise ReporterError(message)

    monkeypatch.setattr(new_policy, "ReporterApi", lambda *_: SimpleNamespace(post=post))
    result = replay()
    assert result.exit_code == 2
    assert "the reporter answered 422" in result.stderr
