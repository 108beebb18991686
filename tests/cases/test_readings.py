"""The policies agree with readers who knew the texts, the labels and the search alone.

Each file in `readings` holds flows as one reader wrote them: plain words, the verdict that the text
suggests, then the terms. `docs/policies/fidelity.md` says how, and explains each disagreement.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from purposewatch_policy import Decision, Flow, Kind, Outcome, decide, load_policies

POLICIES_DIR = Path(__file__).parents[2] / "policies"
READINGS = Path(__file__).parent / "readings"
AT = datetime(2024, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Read:
    """One flow of a reading: what the reader expected, and what was decided."""

    id: int
    outcome: Outcome
    kind: Kind | None
    decision: Decision

    @property
    def same_outcome(self) -> bool:
        """Whether reader and policy agree about permitted or not."""
        return self.outcome is self.decision.outcome

    @property
    def same_kind(self) -> bool:
        """Whether they also agree about the kind."""
        return self.same_outcome and self.kind is self.decision.kind


def read(name: str) -> list[Read]:
    """Decide every flow of a reading."""
    policies = load_policies(POLICIES_DIR)
    entries: list[dict[str, Any]] = yaml.safe_load((READINGS / name).read_text("utf-8"))
    return [
        Read(
            id=entry["id"],
            outcome=Outcome(entry["reading"]["outcome"]),
            kind=Kind(entry["reading"]["kind"]) if "kind" in entry["reading"] else None,
            decision=decide(Flow(controller=entry["controller"], **entry["flow"]), AT, policies),
        )
        for entry in entries
    ]


@pytest.mark.parametrize(
    ("name", "disagreements", "other_kinds"),
    [
        ("first_blind.yaml", {17, 50, 56}, set()),
        ("second_blind.yaml", {9, 16}, {38}),
    ],
)
def test_policies_agree_with_readers(
    name: str, disagreements: set[int], other_kinds: set[int]
) -> None:
    """Of sixty flows, the outcome differs for those that are explained, and the kind likewise."""
    flows = read(name)
    assert len(flows) == 60
    assert {flow.id for flow in flows if not flow.same_outcome} == disagreements
    assert {flow.id for flow in flows if flow.same_outcome and not flow.same_kind} == other_kinds
