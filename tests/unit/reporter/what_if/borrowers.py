"""Verdicts about borrowers of Linggan House by its declared policy, and versions of that."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from purposewatch_policy import CategoryDecision, Flow, PolicySet, decide, load_policies
from purposewatch_reporter.web.declared import DeclaredPolicies
from tests.unit.reporter.records import PREFIX, verdict

ROOT = Path(__file__).parents[4]
POLICIES = ROOT / "policies"
CONTROLLER = "linggan-house"
POLICY = (POLICIES / CONTROLLER / "policy.undated.yaml").read_text()
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
OVERDUE = "loan.overdue"

_CATEGORIES = TypeAdapter(tuple[CategoryDecision, ...])
_PUBLIC = POLICY.index("  - id: sharing.overdue.public")
WITHOUT_PUBLIC = POLICY[:_PUBLIC] + POLICY[POLICY.index("  - id: sharing.overdue.lenders") :]
"""The public is no recipient any more."""


@cache
def declared() -> PolicySet:
    """The project's own policies."""
    return load_policies(POLICIES)


class ReadPolicies(DeclaredPolicies):
    """The project's own policies, where nothing is started that would read them."""

    def __init__(self, policies_dir: Path) -> None:
        super().__init__(policies_dir)
        self.current = declared()


def line_of(text: str, part: str) -> int:
    """The line in which a part of a text begins."""
    return text.count("\n", 0, text.index(part)) + 1


def published(**changes: Any) -> Flow:
    """The names of borrowers whose loans are overdue are published."""
    terms: dict[str, Any] = {
        "controller": CONTROLLER,
        "role": "user",
        "operation": "share",
        "purpose": "finance.debt_collection",
        "recipient": "public",
        "data_categories": ("user.financial.loans", "user.name"),
        "facts": {OVERDUE: True},
        **changes,
    }
    return Flow(**terms)


def decided_verdict(
    offset: int,
    flow: Flow,
    ledger: dict[str, bool | None],
    *,
    prefix: str = PREFIX,
    partition: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """The auditor's verdict about an event, with the values of the facts that it looked up."""
    at = NOW - timedelta(minutes=offset)
    decided = decide(flow, at, declared(), ledger)
    data = flow.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    subject = f"psn:1:{more.pop('subject', 0):032x}"
    facts = [
        {"fact": fact, "claimed": flow.facts.get(fact), "value": value}
        for fact, value in ledger.items()
    ]
    return {
        **verdict(
            partition,
            offset,
            event_time=at.isoformat(),
            outcome=str(decided.outcome),
            prefix=prefix,
        ),
        "data": {**data, "subject": subject},
        "kind": None if decided.kind is None else str(decided.kind),
        "policy": {"version": decided.policy_version, "digest": decided.policy_digest},
        "categories": _CATEGORIES.dump_python(decided.categories, mode="json"),
        "facts": facts,
        "publisher": "collections",
        **more,
    }


def a_day(first: int = 0) -> Sequence[dict[str, Any]]:
    """Five publications, three letters to lenders, two calls to relatives that are violations."""
    lender = published(recipient="third_party.lender")
    relatives = published(recipient="third_party.personal_contacts.phone", facts={})
    happened = [(published(), True)] * 5 + [(lender, True)] * 3 + [(relatives, None)] * 2
    return [
        decided_verdict(first + offset, flow, {OVERDUE: holds}, subject=offset)
        for offset, (flow, holds) in enumerate(happened)
    ]
