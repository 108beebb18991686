"""What a compliance officer reads."""

import pytest

from purposewatch_policy.decide import decide
from purposewatch_policy.languages.english import operation_phrase
from tests.unit.policy.library import NOW, POLICIES, VOCABULARY, flow

HAPPENED = "`reader` data in `user.contact` was used by `first_party` for `service`"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, f"{HAPPENED}; `readers.contact` (readers.1) permits it."),
        (
            {"data_categories": ("user.health",)},
            (
                "`reader` data in `user.health` was used by `first_party` for `service`; "
                "`nobody.health` (limits.1) prohibits it."
            ),
        ),
        (
            {"role": "visitor", "operation": "collect", "data_categories": ("user.health",)},
            (
                "`visitor` data in `user.health` was collected by `first_party` for `service`; "
                "`nobody.health` (limits.1) prohibits it, although "
                "`visitors.wellbeing` (visitors.1) permits it."
            ),
        ),
        (
            {"role": "donor"},
            (
                "`donor` data in `user.contact` was used by `first_party` for `service`; "
                "no statement permits anything for this role. "
                "Nearest: `readers.contact` (readers.1), which names `reader` as role."
            ),
        ),
        (
            {"operation": "share", "recipient": "third_party", "purpose": "service.loans"},
            (
                "`reader` data in `user.contact` was shared with `third_party` for "
                "`service.loans`; no statement for this role lets that category go to that "
                "recipient. Nearest: `readers.courier` (readers.2), which names "
                "`third_party.courier` as recipient."
            ),
        ),
        (
            {"operation": "share", "recipient": "third_party.courier", "purpose": "marketing"},
            (
                "`reader` data in `user.contact` was shared with `third_party.courier` for "
                "`marketing`; no statement for this role lets that category go to that "
                "recipient for that purpose. Nearest: `readers.courier` (readers.2), which names "
                "`service.loans` as purpose."
            ),
        ),
        (
            {"data_categories": ("user",)},
            (
                "`reader` data in `user` was used by `first_party` for `service`; "
                "`nobody.health` (limits.1) prohibits a part of it, `user.health` as data "
                "category. Only a more precise event can be permitted."
            ),
        ),
        (
            {"role": "visitor", "operation": "collect", "data_categories": ("user",)},
            (
                "`visitor` data in `user` was collected by `first_party` for `service`; "
                "`nobody.health` (limits.1) prohibits a part of it, `user.health` as data "
                "category, and `visitors.wellbeing` (visitors.1) permits the rest. "
                "Only a more precise event can be permitted."
            ),
        ),
        (
            {"data_categories": ("user",), "operation": "store"},
            (
                "`reader` data in `user` was stored by `first_party` for `service`; "
                "no statement for this role covers that category. "
                "Nearest: `readers.contact` (readers.1), which names `user.contact` as data "
                "category and `collect` or `use` as operation."
            ),
        ),
        (
            {"purpose": "research"},
            (
                "`reader` data in `user.contact` was used by `first_party` for `research`; "
                "no statement for this role, category and recipient covers that purpose. "
                "Nearest: `readers.contact` (readers.1), which names `service` as purpose."
            ),
        ),
        (
            {"operation": "anonymise", "source": None, "legal_basis": "consent"},
            (
                "`reader` data in `user.contact` underwent `anonymise` by `first_party` for "
                "`service`; the source was not stated, and `readers.contact` (readers.1), which "
                "comes nearest, names `collect` or `use` as operation, `data_subject` as source "
                "and `contract` as legal basis."
            ),
        ),
        (
            {"source": None},
            (
                f"{HAPPENED}; the source was not stated, and `readers.contact` (readers.1), which "
                "comes nearest, names `data_subject` as source."
            ),
        ),
        (
            {"operation": "store", "purpose": "service.loans", "data_categories": ("user.loans",)},
            (
                "`reader` data in `user.loans` was stored by `first_party` for `service.loans`; "
                "the location and the retention were not stated, and `readers.loans` (readers.3), "
                "which comes nearest, names `eu` as location and allows at most 30 days."
            ),
        ),
        (
            {"source": None, "purpose": "research"},
            (
                "`reader` data in `user.contact` was used by `first_party` for `research`; "
                "no statement for this role, category and recipient covers that purpose. "
                "Nearest: `readers.contact` (readers.1), which names `service` as purpose and "
                "`data_subject` as source (the event states none)."
            ),
        ),
        (
            {
                "operation": "store",
                "purpose": "service.loans",
                "data_categories": ("user.loans",),
                "location": "eu",
                "retention_days": 31,
                "facts": {"loan.returned": True},
            },
            (
                "`reader` data in `user.loans` was stored by `first_party` for `service.loans`; "
                "`readers.loans` (readers.3) comes nearest, but it allows at most 30 days (the "
                "event states 31) and requires that `loan.returned` does not hold."
            ),
        ),
        (
            {"purpose": "nothing", "data_categories": ("user.shoe_size",)},
            (
                "`nothing` is not a purpose and `user.shoe_size` is not a data category in the "
                "vocabulary of `library`, so this cannot be judged."
            ),
        ),
        (
            {"controller": "museum"},
            "there is no policy for the controller `museum`, so this cannot be judged.",
        ),
    ],
)
def test_sentence_says_what_happened_and_why(changes: dict[str, object], expected: str) -> None:
    """Each decision comes with plain words for what happened and what the policy says."""
    decision = decide(flow(**changes), NOW, POLICIES)
    assert expected == decision.categories[0].sentence


def test_sentence_says_that_no_policy_was_in_force() -> None:
    """A flow outside every version's time is explained by that time."""
    decision = decide(flow(), NOW.replace(year=2020), POLICIES)
    expected = (
        f"{HAPPENED}; no version of the policy of `library` was in force at "
        "2020-06-01T00:00:00+00:00."
    )
    assert expected == decision.categories[0].sentence


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("share", "was shared with"),
        ("share.sell", "was shared (`share.sell`) with"),
        ("anonymise", "underwent `anonymise` by"),
    ],
)
def test_operation_reads_as_a_verb(operation: str, expected: str) -> None:
    """The usual operations and what refines them are verbs, others are named."""
    assert expected == operation_phrase(operation, VOCABULARY.operations)
