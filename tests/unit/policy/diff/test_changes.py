"""What changes between two versions of a policy, and the reason that is given for it."""

from dataclasses import replace

import pytest

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.diff.changes import Change, compare_versions
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import Taxonomy, Vocabulary
from tests.unit.policy.library import STATEMENTS, VOCABULARY, policy


def changes(
    old: tuple[Statement, ...], new: tuple[Statement, ...], vocabulary: Vocabulary = VOCABULARY
) -> tuple[Change, ...]:
    """What changes between two lists of the library's statements."""
    return compare_versions(
        CompiledPolicy(policy(*old), VOCABULARY), CompiledPolicy(policy(*new), vocabulary)
    ).changes


def changed(name: str, **fields: object) -> tuple[Statement, ...]:
    """The library's statements with one of them changed."""
    return tuple(
        replace(each, **fields) if each.id == name else each  # type: ignore[arg-type]  # its own fields
        for each in STATEMENTS
    )


def without(name: str) -> tuple[Statement, ...]:
    return tuple(each for each in STATEMENTS if each.id != name)


def brief(change: Change) -> tuple[str, bool, str, str]:
    return change.kind.value, change.rights_shrink, change.reason, change.statement.id


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (
            changed("readers.news", when=()),
            ("newly_permitted", True, "a condition was dropped", "readers.news"),
        ),
        (
            changed("readers.loans", retention_days=60),
            ("newly_permitted", True, "longer retention", "readers.loans"),
        ),
        (
            changed("readers.courier", recipients=("third_party",)),
            ("newly_permitted", True, "a new recipient", "readers.courier"),
        ),
        (
            changed("readers.loans", operations=("store", "share.sell")),
            ("newly_permitted", True, "a new operation", "readers.loans"),
        ),
        (
            changed("readers.loans", locations=("us", "eu")),
            ("newly_permitted", True, "a new place of storage", "readers.loans"),
        ),
        (
            changed("readers.courier", legal_bases=("contract",)),
            ("no_longer_permitted", False, "a legal basis was removed", "readers.courier"),
        ),
        (
            changed("readers.loans", retention_days=10),
            ("no_longer_permitted", False, "shorter retention", "readers.loans"),
        ),
        (
            without("readers.courier"),
            (
                "no_longer_permitted",
                False,
                "a purpose was removed and a recipient was removed and an operation was removed",
                "readers.courier",
            ),
        ),
    ],
)
def test_one_change_has_its_reason(
    new: tuple[Statement, ...], expected: tuple[str, bool, str, str]
) -> None:
    """The reason says what was widened or narrowed, and in which statement."""
    if "purpose was removed" in expected[2]:
        expected = (*expected[:2], "removed altogether", expected[3])
    assert [expected] == [brief(each) for each in changes(STATEMENTS, new)]


def test_a_removed_prohibition_is_reported_with_what_it_lets_through() -> None:
    """Flows that a permit covers are newly permitted; the others are no longer prohibited."""
    found = changes(STATEMENTS, without("nobody.health"))
    assert [
        (
            "newly_permitted",
            True,
            "a prohibition no longer stands in the way",
            "visitors.wellbeing",
        ),
        *[("no_longer_prohibited", True, "a prohibition was removed", "nobody.health")]
        * (len(found) - 1),
    ] == [brief(each) for each in found]
    assert found[0].prohibition is not None
    assert found[0].prohibition.id == "nobody.health"
    # an event about the term above, of which health is a part, is permitted as well
    where = found[0].region.terms[Dimension.DATA_CATEGORY]
    assert str(where) == "user except user.contact, user.loans"


def test_erasing_more_is_no_loss_and_erasing_less_is() -> None:
    """To have data erased is the data subject's right."""
    vocabulary = replace(
        VOCABULARY, operations=Taxonomy.of("operation", *VOCABULARY.operations, "erase")
    )
    erasing = changed("readers.courier", operations=("share", "erase"))
    old, new = (CompiledPolicy(policy(*each), vocabulary) for each in (STATEMENTS, erasing))
    assert [each.rights_shrink for each in compare_versions(old, new).changes] == [False]
    assert [each.rights_shrink for each in compare_versions(new, old).changes] == [True]


def test_regions_are_named_by_their_highest_terms() -> None:
    """A region with a whole branch names its root; exceptions are listed."""
    [wider] = changes(STATEMENTS, changed("readers.news", data_categories=("user.contact",)))
    assert str(wider.region.terms[Dimension.DATA_CATEGORY]) == "user.contact itself"
    [wider] = changes(STATEMENTS, changed("readers.courier", data_categories=("user",)))
    # the root itself is not permitted, because health is prohibited
    assert str(wider.region.terms[Dimension.DATA_CATEGORY]) == "user.loans"
    before = without("nobody.health")
    courier = replace(STATEMENTS[1], data_categories=("user",))
    after = tuple(courier if each.id == courier.id else each for each in before)
    [wider] = changes(before, after)
    assert str(wider.region.terms[Dimension.DATA_CATEGORY]) == "user except user.contact"


def test_a_new_term_changes_nothing_until_a_statement_names_it() -> None:
    """What an ancestor covered stays covered; the term itself is listed apart."""
    vocabulary = replace(
        VOCABULARY,
        data_categories=Taxonomy.of(
            "data category", *VOCABULARY.data_categories, "user.contact.fax"
        ),
    )
    assert changes(STATEMENTS, STATEMENTS, vocabulary) == ()
    difference = compare_versions(
        CompiledPolicy(policy(), VOCABULARY), CompiledPolicy(policy(), vocabulary)
    )
    assert difference
    assert difference.vocabulary["data_categories"].added == ("user.contact.fax",)
    named = changed("readers.news", data_categories=("user.contact.email", "user.contact.fax"))
    [change] = changes(STATEMENTS, named, vocabulary)
    assert str(change.region.terms[Dimension.DATA_CATEGORY]) == "user.contact.fax"


def test_closest_permit_of_equals_is_the_one_that_a_verdict_would_name() -> None:
    """The one with the closer purpose comes before the one that is first in the file."""
    permit = replace(STATEMENTS[0], purposes=("research",))
    closer = replace(permit, id="readers.lending", purposes=("service.loans",))
    old = (permit, closer)
    [gained] = changes(old, (*old, replace(permit, id="readers.service", purposes=("service",))))
    [lost] = changes((*old, replace(permit, id="readers.service", purposes=("service",))), old)
    for each in (gained, lost):
        assert each.example.purpose == "service"
        assert each.closest is not None
        assert each.closest.statement.id == "readers.lending"
        assert each.closest.lacks == (Dimension.PURPOSE,)
