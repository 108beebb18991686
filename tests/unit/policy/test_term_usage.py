"""Which statements speak of a term."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from purposewatch_policy import Effect, Policy, Statement, TermUsage, UsedTerms, Vocabulary
from purposewatch_policy.vocabulary import Taxonomy

VOCABULARY = Vocabulary.of(
    roles=["member"],
    data_categories=["user", "user.contact", "user.contact.email", "user.name"],
    operations=["use"],
    purposes=["marketing"],
    recipients=["first_party"],
    facts=["asked", "refused"],
)


def statement(name: str, *categories: str) -> Statement:
    return Statement(
        id=name,
        clause="s.1",
        effect=Effect.PERMIT,
        data_categories=categories,
        operations=("use",),
        purposes=("marketing",),
        recipients=("first_party",),
        when=("asked",) if name == "email" else (),
        unless=("refused",) if name == "contact" else (),
    )


@pytest.fixture(scope="module")
def used() -> UsedTerms:
    """The usage in a policy of three statements, none of which restricts the role."""
    policy = Policy(
        controller="c",
        version="1",
        in_force_from=datetime(2020, 1, 1, tzinfo=UTC),
        in_force_until=None,
        statements=(
            statement("email", "user.contact.email"),
            statement("contact", "user.contact", "user.contact.email"),
            statement("name", "user.name"),
        ),
    )
    return UsedTerms(policy, VOCABULARY)


def ids(usage: TermUsage) -> tuple[list[str], list[str], list[str]]:
    naming, covering, narrower = (
        [each.id for each in statements]
        for statements in (usage.naming, usage.covering, usage.narrower)
    )
    return naming, covering, narrower


def test_each_statement_speaks_of_a_term_in_one_way(used: UsedTerms) -> None:
    """Naming counts before covering, and covering before naming something narrower."""
    assert ids(used.usage("data_categories", "user.contact.email")) == (
        ["email", "contact"],
        [],
        [],
    )
    assert ids(used.usage("data_categories", "user.contact")) == (["contact"], [], ["email"])
    assert ids(used.usage("data_categories", "user")) == ([], [], ["email", "contact", "name"])


def test_statement_about_a_wider_term_covers(used: UsedTerms) -> None:
    """A term below a named one is covered."""
    assert ids(
        UsedTerms(
            Policy(
                "c",
                "1",
                datetime(2020, 1, 1, tzinfo=UTC),
                None,
                (statement("contact", "user.contact"),),
            ),
            VOCABULARY,
        ).usage("data_categories", "user.contact.email")
    ) == ([], ["contact"], [])


def test_unrestricted_dimension_speaks_of_no_term(used: UsedTerms) -> None:
    """A statement for every role does not speak of a particular one."""
    assert TermUsage() == used.usage("roles", "member")


def test_conditions_speak_of_facts(used: UsedTerms) -> None:
    """Facts that must hold, and facts that must not, count alike."""
    assert ids(used.usage("facts", "asked")) == (["email"], [], [])
    assert ids(used.usage("facts", "refused")) == (["contact"], [], [])


def test_many_statements_are_told_apart() -> None:
    """Each of thousands of roles has its own statement, and the role above them has all of them."""
    roles = [f"role.r{number}" for number in range(5_000)]
    vocabulary = replace(VOCABULARY, roles=Taxonomy.of("role", "role", *roles))
    statements = tuple(replace(statement(name, "user.name"), roles=(name,)) for name in roles)
    policy = Policy("c", "1", datetime(2020, 1, 1, tzinfo=UTC), None, statements)
    used = UsedTerms(policy, vocabulary)
    assert all(ids(used.usage("roles", name)) == ([name], [], []) for name in roles)
    assert ids(used.usage("roles", "role")) == ([], [], roles)


def test_unknown_term_is_an_error(used: UsedTerms) -> None:
    """A term outside the vocabulary is not the same as one that nobody speaks of."""
    with pytest.raises(KeyError):
        used.usage("data_categories", "user.shoe_size")
