"""The identity of a flow."""

from typing import Any

import msgspec
import pytest

from purposewatch_contract import flow_digest
from purposewatch_contract.codec import Flow

FLOW = Flow(
    "wework-labs",
    "member",
    "use",
    "marketing",
    "first_party",
    ("user.contact", "user.name"),
    legal_basis="consent",
    facts={"consent.marketing": True, "loan.overdue": False},
)
LEDGER = {"consent.marketing": False}


def test_digest_is_stable() -> None:
    """A ledger that is rebuilt years later gives its flows the same ids."""
    assert flow_digest(FLOW, LEDGER).hex() == "ee48f97a141b490d15eba205c8e63b13"


@pytest.mark.parametrize(
    "change",
    [
        {"controller": "linggan-house"},
        {"role": "visitor"},
        {"operation": "share"},
        {"purpose": "essential"},
        {"recipient": "public"},
        {"data_categories": ("user.contact",)},
        {"source": "consent"},
        {"location": "consent"},
        {"retention_days": 0},
        {"legal_basis": None},
        {"facts": {"consent.marketing": False, "loan.overdue": False}},
        {"facts": {"consent.marketing": True}},
    ],
    ids=str,
)
def test_everything_that_a_decision_can_depend_on_counts(change: dict[str, Any]) -> None:
    """Flows that differ in one field are two."""
    assert flow_digest(msgspec.structs.replace(FLOW, **change), LEDGER) != flow_digest(FLOW, LEDGER)


@pytest.mark.parametrize("ledger", [{}, {"consent.marketing": None}, {"consent.marketing": True}])
def test_ledger_values_count(ledger: dict[str, bool | None]) -> None:
    """Whether a consent was given, withdrawn or never stated makes three flows."""
    assert flow_digest(FLOW, ledger) != flow_digest(FLOW, LEDGER)


def test_order_does_not_matter() -> None:
    """Of categories and facts, which publishers list as they like."""
    reordered = msgspec.structs.replace(
        FLOW,
        data_categories=FLOW.data_categories[::-1],
        facts=dict(reversed(FLOW.facts.items())),
    )
    assert flow_digest(reordered, LEDGER) == flow_digest(FLOW, LEDGER)
