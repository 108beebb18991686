"""Sets of terms in few words."""

from random import Random

import pytest

from purposewatch_policy.flow_space.term_sets import Branch, branches, describe, expand
from tests.unit.policy.random_worlds import draw_world


@pytest.mark.parametrize("seed", range(30))
def test_described_terms_are_exactly_the_set(seed: int) -> None:
    """Whatever the set, its description holds its terms and no others."""
    rng = Random(seed)  # noqa: S311  # a reproducible sample, not a secret
    taxonomy = draw_world(rng).vocabulary.data_categories
    members = frozenset(rng.sample(list(taxonomy), rng.randint(1, len(taxonomy))))
    assert members == expand(branches(members, taxonomy), taxonomy)
    described = describe(members, taxonomy)
    held = expand(described.branches, taxonomy)
    assert members == (frozenset(taxonomy) - held if described.complement else held)


def test_branch_reads_as_a_phrase() -> None:
    """A term, a term without some of what lies below it, and a term by itself."""
    assert [
        str(Branch("a")),
        str(Branch("a", ("a.b",))),
        str(Branch("a", alone=True)),
    ] == ["a", "a except a.b", "a itself"]
