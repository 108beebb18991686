"""A policy compiled into sets of statements, of all of them and role by role."""

from dataclasses import replace

import pytest

from purposewatch_policy.compile import CompiledPolicy
from tests.unit.policy.library import POLICY, STATEMENTS, VOCABULARY, policy

COMPILED = CompiledPolicy(POLICY, VOCABULARY)


def test_role_has_the_statements_that_cover_it() -> None:
    """The sets for a role hold its own statements and those about every role, in file order."""
    expected = ["nobody.health", "visitors.wellbeing"]
    assert expected == [each.id for each in COMPILED.for_role["visitor"].statements]


def test_every_known_role_has_sets() -> None:
    """A role without a statement of its own is known, an undefined one is not."""
    assert all(COMPILED.for_role[role].statements is not None for role in VOCABULARY.roles)
    with pytest.raises(KeyError):
        COMPILED.for_role["stranger"]


def test_sets_of_a_role_are_made_when_a_flow_needs_them() -> None:
    """Loading a policy with thousands of roles makes no sets for each of them."""
    compiled = CompiledPolicy(POLICY, VOCABULARY)
    assert (len(compiled.for_role), len(compiled.prohibited_for_role)) == (0, 0)
    assert compiled.for_role["reader"] is compiled.for_role["reader"]
    assert set(compiled.for_role) == {"reader"}


def test_sets_for_a_role_agree_with_those_of_all_statements() -> None:
    """The sets of a role agree with the sets of all statements."""
    sets = COMPILED.for_role["reader"]
    among_all = COMPILED.role["reader"] & COMPILED.purpose["service.loans"]
    expected = [each.id for bit, each in enumerate(STATEMENTS) if among_all >> bit & 1]
    covering = sets.purpose["service.loans"]
    assert expected == [each.id for bit, each in enumerate(sets.statements) if covering >> bit & 1]


def test_roles_with_the_same_statements_share_sets() -> None:
    """Roles that the policy treats alike share their sets."""
    one_for_all = [replace(each, roles=None) for each in STATEMENTS]
    compiled = CompiledPolicy(policy(*one_for_all), VOCABULARY)
    assert {id(compiled)} == {id(compiled.for_role[role]) for role in VOCABULARY.roles}


def test_term_outside_the_vocabulary_is_refused() -> None:
    """A statement with a term outside the vocabulary cannot be compiled."""
    with pytest.raises(KeyError):
        CompiledPolicy(policy(replace(STATEMENTS[0], roles=("stranger",))), VOCABULARY)
