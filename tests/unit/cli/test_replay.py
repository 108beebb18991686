"""`purposewatch replay`: what a late fact would have changed."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from purposewatch_cli.main import app
from purposewatch_cli.replay import late_facts as command
from purposewatch_contract import FACTS
from purposewatch_policy import PolicySet, load_policies
from tests.unit.cli.policy.trees import copy_with_ledger
from tests.unit.cli.replay_records import (
    CONSENT,
    SUBJECT,
    at,
    fact_record,
    newsletter,
    verdict_record,
)

runner = CliRunner()


@dataclass
class Stage:
    """The declared policies, and what the topics hold."""

    directory: Path
    policies: PolicySet
    facts: list[tuple[bytes | None, bytes | None]]
    verdicts: list[bytes]

    def decided(self, number: int, hour: int, *, used: bool | None, **changes: Any) -> None:
        """Add a verdict."""
        self.verdicts.append(verdict_record(self.policies, number, at(hour), used=used, **changes))

    def replay(self, *options: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
        """The exit status, the differences and the summary."""
        arguments = ["replay", "--affected-by", CONSENT, "--policies", str(self.directory)]
        result = runner.invoke(app, [*arguments, "--json", *options])
        *differences, summary = map(json.loads, result.stdout.splitlines())
        return result.exit_code, differences, summary


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """No topics are read but the lists of the stage."""
    directory = copy_with_ledger(tmp_path / "policies")
    made = Stage(directory, load_policies(directory), [], [])

    class Reader:
        def __init__(self, _: Any, name: str, *, at_once: int) -> None:
            assert at_once > 0
            self._name = name

        async def required(self) -> AsyncIterator[Any]:
            records = made.facts if self._name == FACTS else [(None, one) for one in made.verdicts]
            for key, value in records:
                yield SimpleNamespace(key=key, value=value)

    monkeypatch.setattr(command, "TopicReader", Reader)
    return made


def test_events_that_a_late_withdrawal_affects_are_judged_again(stage: Stage) -> None:
    """Those from its time on; what was permitted would have been a contradicted claim."""
    stage.facts += [fact_record("s-1"), fact_record("s-2", value=False, effective_from=at(10))]
    for number, hour in enumerate((9, 10, 11)):
        stage.decided(number, hour, used=True)
    status, differences, summary = stage.replay()
    assert status == 1
    assert [(each["event_id"], each["before"], each["after"]) for each in differences] == [
        (
            name,
            {"outcome": "permitted", "kind": None},
            {"outcome": "violation", "kind": "contradicted_claim"},
        )
        for name in ("e-1", "e-2")
    ]
    assert differences[0]["statement"] == {
        "id": "s-2",
        "source": "/consent",
        "effective_from": "2026-03-02T10:00:00+00:00",
        "until": None,
        "evidence": "receipt/s-2",
    }
    assert (differences[0]["value_used"], differences[0]["value_now"]) == (True, False)
    assert (differences[0]["subject"], differences[0]["other_policy"]) == (SUBJECT, False)
    assert summary == {
        "type": "summary",
        "statements": 2,
        "dependent": 3,
        "affected": 2,
        "different": 2,
    }


def test_what_was_known_in_time_makes_no_difference(stage: Stage) -> None:
    """Exit status 0, also when nothing depends on the fact."""
    stage.facts.append(fact_record("s-1"))
    stage.decided(0, 9, used=True)
    stage.decided(1, 9, used=None, flow=newsletter(operation="collect", purpose="service"))
    status, differences, summary = stage.replay()
    assert (status, differences, summary["dependent"], summary["affected"]) == (0, [], 1, 0)


def test_another_value_may_lead_to_the_same_decision(stage: Stage) -> None:
    """Withdrawn instead of not stated: a contradicted claim before and after."""
    stage.facts.append(fact_record("s-1", value=False))
    stage.decided(0, 9, used=None)
    status, _, summary = stage.replay()
    assert (status, summary["affected"], summary["different"]) == (0, 1, 0)


@pytest.mark.parametrize(
    ("facts", "now"),
    [
        ([fact_record("s-1", until=at(9))], None),
        ([fact_record("s-1"), (fact_record("s-1")[0], None)], None),
        ([fact_record("s-1"), fact_record("s-1", value=False)], False),
        ([fact_record("s-1"), fact_record("s-2", value=False, time=at(12))], False),
        ([fact_record("s-1", value=False), fact_record("s-2", subject=f"psn:1:{'b' * 32}")], False),
        ([fact_record("s-1", value=False), fact_record("s-2", fact="consent.survey")], False),
        ([(None, b"nonsense"), (b"key", b"value")], None),
    ],
)
def test_the_value_is_that_of_the_topic_at_the_events_time(
    stage: Stage, facts: list[Any], now: Any
) -> None:
    """Expiry, tombstones, the last record of a key, corrections; no others' statements."""
    stage.facts += facts
    stage.decided(0, 9, used=True)
    _, [difference], _ = stage.replay()
    assert difference["value_now"] is now


def test_events_are_judged_once_and_by_filters(stage: Stage) -> None:
    """A repeated verdict, and a verdict about a repeated event, are passed over."""
    for number, hour in enumerate((8, 9, 9)):
        stage.decided(number, hour, used=True, event_id="e-1" if number else "e-0")
    assert stage.replay()[2]["different"] == 2
    assert stage.replay("--since", "2026-03-02T09:00:00Z")[2]["different"] == 1
    assert stage.replay("--controller", "acme")[2]["different"] == 2
    stage.verdicts.append(b'{"facts":[{"fact":"consent.marketing"}]}')
    assert stage.replay()[2]["dependent"] == 2


def test_a_policy_that_has_changed_since_is_said(stage: Stage) -> None:
    """The difference may then be the policy's."""
    stage.decided(0, 9, used=True, policy={"version": "1", "digest": "0" * 64})
    assert stage.replay()[1][0]["other_policy"] is True


def test_a_table_shows_the_differences(stage: Stage) -> None:
    """As many as asked for, then how many more there are."""
    stage.facts.append(fact_record("s-1", value=False))
    for number in range(3):
        stage.decided(number, 9, used=True)
    arguments = ["replay", "--affected-by", CONSENT, "--policies", str(stage.directory)]
    result = runner.invoke(app, [*arguments, "--limit", "2"], env={"COLUMNS": "180"})
    assert result.exit_code == 1
    assert result.output.count("contradicted_claim") == 2
    assert "s-1: does not hold" in result.output
    assert "... and 1 more event; `--json` prints all" in result.output
    assert (
        "3 events depended on the fact; 3 used another value than the one that counts now; 3 "
        "would be decided otherwise" in " ".join(result.output.split())
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--affected-by", "consent.nothing"], "`consent.nothing` is not a fact of `acme`"),
        (["--affected-by", CONSENT, "--controller", "nobody"], "no policies are declared for"),
        (["--affected-by", CONSENT, "--since", "yesterday"], "`yesterday` is not a time"),
    ],
)
def test_what_can_match_nothing_is_refused(stage: Stage, options: list[str], said: str) -> None:
    """Before Kafka is asked."""
    result = runner.invoke(app, ["replay", "--policies", str(stage.directory), *options])
    assert result.exit_code == 2
    assert said in result.stderr
