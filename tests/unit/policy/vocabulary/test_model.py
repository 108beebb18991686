"""Terms, what lies above them, and which of them a flow may not use."""

import pytest

from purposewatch_policy.flow import Flow
from purposewatch_policy.vocabulary import (
    Taxonomy,
    TermEntry,
    UnknownTerm,
    Vocabulary,
    find_unknown_terms,
)


def categories() -> Taxonomy:
    return Taxonomy(
        "data category",
        {
            "user": TermEntry("user", label={"en": "Personal data", "zh": "个人资料"}),
            "user.health": TermEntry("user.health", "user", sensitive=True),
            "user.health.blood": TermEntry("user.health.blood", "user.health"),
            "badge": TermEntry("badge", "user", label={"zh": "门卡"}),
        },
    )


def test_lineage_leads_up_to_the_root() -> None:
    """A term's lineage is the term itself, its parent, and so on."""
    assert categories().lineage("user.health.blood") == (
        "user.health.blood",
        "user.health",
        "user",
    )


def test_explicit_parent_need_not_be_a_prefix() -> None:
    """A term covers whatever lies below it, however that is named."""
    assert categories().covers("user", "badge")
    assert not categories().covers("badge", "user")


def test_sensitivity_is_inherited() -> None:
    """What lies below a sensitive term is sensitive, what lies above is not."""
    taxonomy = categories()
    assert [taxonomy.is_sensitive(term) for term in taxonomy] == [False, True, True, False]


def test_data_about_others_are_so_all_the_way_down() -> None:
    """What lies below a term about other people is about them as well."""
    taxonomy = Taxonomy(
        "data category",
        {
            "user": TermEntry("user"),
            "user.friends": TermEntry("user.friends", "user", about_others=True),
            "user.friends.names": TermEntry("user.friends.names", "user.friends"),
        },
    )
    assert [taxonomy.is_about_others(term) for term in taxonomy] == [False, True, True]


def test_the_public_is_known_by_name_or_by_its_mark() -> None:
    """A recipient marked as public makes everything below it public."""
    taxonomy = Taxonomy(
        "recipient",
        {
            "public": TermEntry("public"),
            "public.press": TermEntry("public.press", "public"),
            "third_party": TermEntry("third_party"),
            "third_party.followers": TermEntry("third_party.followers", "third_party", public=True),
        },
    )
    assert [taxonomy.is_public(term) for term in taxonomy] == [True, True, False, True]


def test_a_mark_that_is_not_set_leaves_no_trace() -> None:
    """A marker that is not used does not change the digest of a policy."""
    plain = Taxonomy.of("data category", "user").canonical()
    marked = Taxonomy("data category", {"user": TermEntry("user", about_others=True)}).canonical()
    assert plain == {"user": {"parent": None, "label": {}, "iri": None, "sensitive": False}}
    assert marked != plain


@pytest.mark.parametrize(
    ("term", "language", "expected"),
    [("user", "zh", "个人资料"), ("user", "fr", "Personal data"), ("badge", "fr", "badge")],
)
def test_label_falls_back_to_english_then_to_the_term(
    term: str, language: str, expected: str
) -> None:
    """A label in another language is better than none; a bare term is the last resort."""
    assert expected == categories().label(term, language)


def test_closest_term_is_suggested() -> None:
    """A misspelt word finds its term; a word unlike all terms finds none."""
    assert categories().closest("user.helth") == "user.health"
    assert categories().closest("zzz") is None


def test_parent_must_exist() -> None:
    """A taxonomy cannot have a parent that is not a term."""
    with pytest.raises(ValueError, match=r"`a`, the parent of `a\.b`, is not a role"):
        Taxonomy("role", {"a.b": TermEntry("a.b", "a")})


def test_terms_are_never_above_themselves() -> None:
    """A taxonomy cannot have a cycle."""
    with pytest.raises(ValueError, match="its own ancestor"):
        Taxonomy("role", {"a": TermEntry("a", "b"), "b": TermEntry("b", "a")})


def test_canonical_form_ignores_the_order_of_declaration() -> None:
    """Vocabularies with the same content have the same canonical form."""
    one = Vocabulary.of(roles=["a", "b"], facts=["x.y"])
    other = Vocabulary.of(facts=["x.y"], roles=["b", "a"])
    assert list(one.canonical()["roles"]) == list(other.canonical()["roles"])  # type: ignore[call-overload]  # a JSON object
    assert one.canonical() == other.canonical()
    assert one.canonical() != Vocabulary.of(roles=["a", "b"]).canonical()


def test_unknown_terms_are_found_in_every_dimension() -> None:
    """Each term that the vocabulary lacks is found, with the field that states it."""
    flow = Flow(
        controller="acme",
        role="r",
        operation="o",
        purpose="p",
        recipient="t",
        data_categories=("known", "c"),
        source="s",
        location="l",
        legal_basis="b",
        facts={"f": False},
    )
    expected = (
        UnknownTerm("role", "role", "r"),
        UnknownTerm("operation", "operation", "o"),
        UnknownTerm("purpose", "purpose", "p"),
        UnknownTerm("recipient", "recipient", "t"),
        UnknownTerm("data_categories", "data category", "c"),
        UnknownTerm("source", "source", "s"),
        UnknownTerm("location", "location", "l"),
        UnknownTerm("legal_basis", "legal basis", "b"),
        UnknownTerm("facts", "fact", "f"),
    )
    assert expected == find_unknown_terms(Vocabulary.of(data_categories=["known"]), flow)


def test_what_is_not_stated_is_not_unknown() -> None:
    """Optional dimensions that a flow leaves out cannot be unknown."""
    vocabulary = Vocabulary.of(
        roles=["r"], operations=["o"], purposes=["p"], recipients=["t"], data_categories=["c"]
    )
    flow = Flow(
        controller="acme",
        role="r",
        operation="o",
        purpose="p",
        recipient="t",
        data_categories=("c",),
    )
    assert find_unknown_terms(vocabulary, flow) == ()


def test_dimensions_are_checked() -> None:
    """A misspelt dimension is a programming error."""
    with pytest.raises(TypeError, match="unknown dimensions"):
        Vocabulary.of(role=["r"])
