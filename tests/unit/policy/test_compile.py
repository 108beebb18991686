"""A policy compiled into sets of statements, of all of them and role by role."""

from dataclasses import replace

import pytest

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.statement_sets import positions
from tests.unit.policy.library import POLICY, STATEMENTS, VOCABULARY, policy

COMPILED = CompiledPolicy(POLICY, VOCABULARY)


def test_role_has_the_statements_that_concern_it() -> None:
    """The index of a role has its own permits and those about every role, then prohibitions."""
    expected = ["visitors.wellbeing", "nobody.health"]
    assert expected == [each.id for each in COMPILED.for_role["visitor"].rows]


def test_every_known_role_has_sets() -> None:
    """A role without a statement of its own is known, an undefined one is not."""
    assert all(COMPILED.for_role[role].rows is not None for role in VOCABULARY.roles)
    with pytest.raises(KeyError):
        COMPILED.for_role["stranger"]


def test_index_of_a_role_is_made_when_a_flow_needs_it() -> None:
    """Loading a policy with thousands of roles makes no index for each of them."""
    compiled = CompiledPolicy(POLICY, VOCABULARY)
    assert not compiled.for_role
    assert compiled.for_role["reader"] is compiled.for_role["reader"]
    assert set(compiled.for_role) == {"reader"}


@pytest.mark.parametrize("purpose", VOCABULARY.purposes)
def test_index_of_a_role_has_permits_that_cover_and_prohibitions_that_overlap(purpose: str) -> None:
    """The index of a role agrees with the sets of all statements."""
    overlapping = COMPILED.overlaps.terms(Dimension.PURPOSE)[purpose] & COMPILED.prohibits
    concerning = COMPILED.purpose[purpose] & COMPILED.permits | overlapping
    index = COMPILED.for_role["reader"]
    expected = {each.number for each in index.rows if concerning >> each.number & 1}
    assert expected == {index.rows[bit].number for bit in positions(index.purpose[purpose])}


def test_row_has_the_terms_that_the_statement_does_not_concern() -> None:
    """A statement lacks the bits of the operations that it does not cover."""
    row, bits = COMPILED.rows[1], COMPILED.bits.operation
    assert row.id == "readers.courier"
    lacking = {term for term, bit in bits.items() if row.lacks_operation & bit}
    assert lacking == set(VOCABULARY.operations) - {"share", "share.sell"}


def test_roles_with_the_same_statements_share_an_index() -> None:
    """Roles that the policy treats alike share their index."""
    one_for_all = [replace(each, roles=None) for each in STATEMENTS]
    compiled = CompiledPolicy(policy(*one_for_all), VOCABULARY)
    assert len({id(compiled.for_role[role]) for role in VOCABULARY.roles}) == 1


def test_term_outside_the_vocabulary_is_refused() -> None:
    """A statement with a term outside the vocabulary cannot be compiled."""
    with pytest.raises(KeyError):
        CompiledPolicy(policy(replace(STATEMENTS[0], roles=("stranger",))), VOCABULARY)
