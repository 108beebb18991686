"""The common vocabulary holds Fides' default taxonomy, whole and with its hierarchy."""

from pathlib import Path
from shutil import copytree

import pytest
from fideslang.default_taxonomy import DEFAULT_TAXONOMY

from purposewatch_policy.vocabulary import Taxonomy, Vocabulary, load_vocabularies

POLICIES = Path(__file__).parents[4] / "policies"

ROOTS = {"collect", "use", "store", "share", "erase"}
ARTICLE_6_1 = {
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_interest",
    "legitimate_interests",
}


def _parents(fides: object) -> dict[str, str | None]:
    assert isinstance(fides, list)
    return {term.fides_key: term.parent_key or None for term in fides}


FIDES = {
    "data_categories": _parents(DEFAULT_TAXONOMY.data_category),
    "purposes": _parents(DEFAULT_TAXONOMY.data_use),
}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """The vocabulary of a controller that adds no term of its own."""
    policies = tmp_path_factory.mktemp("policies")
    copytree(POLICIES / "vocabulary", policies / "vocabulary")
    (policies / "plain").mkdir()
    (policies / "plain" / "policy.yaml").touch()
    return load_vocabularies(policies)["plain"]


def _taxonomy(vocabulary: Vocabulary, dimension: str) -> Taxonomy:
    return vocabulary.taxonomies()[dimension]


@pytest.mark.parametrize("dimension", sorted(FIDES))
def test_every_fides_term_is_there(common: Vocabulary, dimension: str) -> None:
    """Every Fides data category and data use is a term of the common vocabulary."""
    missing = FIDES[dimension].keys() - _taxonomy(common, dimension).keys()

    assert set() == missing


@pytest.mark.parametrize("dimension", sorted(FIDES))
def test_fides_terms_keep_their_parents(common: Vocabulary, dimension: str) -> None:
    """Every Fides term lies directly below the term that Fides puts it under."""
    taxonomy = _taxonomy(common, dimension)

    assert FIDES[dimension] == {term: taxonomy[term].parent for term in FIDES[dimension]}


@pytest.mark.parametrize("dimension", sorted(FIDES))
def test_every_implied_parent_is_there(common: Vocabulary, dimension: str) -> None:
    """Every dotted prefix of a term is a term."""
    taxonomy = _taxonomy(common, dimension)
    prefixes = {term.rpartition(".")[0] for term in taxonomy if "." in term}

    assert set() == prefixes - taxonomy.keys()


def test_operations_have_five_roots(common: Vocabulary) -> None:
    """Whatever is done with data is a kind of one of five operations."""
    assert {common.operations.lineage(term)[-1] for term in common.operations} == ROOTS


def test_legal_bases_are_those_of_the_gdpr(common: Vocabulary) -> None:
    """The legal bases are the six of article 6(1) GDPR."""
    assert set(common.legal_bases) == ARTICLE_6_1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_term_has_a_label(language: str) -> None:
    """Every term that a shipped policy can use is labelled in English and in Chinese."""
    unlabelled = {
        (controller, dimension, term)
        for controller, vocabulary in load_vocabularies(POLICIES).items()
        for dimension, taxonomy in vocabulary.taxonomies().items()
        for term, entry in taxonomy.items()
        if language not in entry.label
    }

    assert set() == unlabelled


def test_iris_are_of_the_data_privacy_vocabulary(common: Vocabulary) -> None:
    """Every IRI names a concept of the W3C Data Privacy Vocabulary."""
    iris = {
        entry.iri
        for taxonomy in common.taxonomies().values()
        for entry in taxonomy.values()
        if entry.iri
    }

    assert {"https://w3id.org/dpv"} == {iri.partition("#")[0] for iri in iris}
