"""Makes policies of any length in the words of a real vocabulary.

The vocabulary stays the same, so the longer the policy, the more statements speak of every role,
category and purpose: a harder case than a policy that grows together with its vocabulary.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from random import Random

from purposewatch_policy import CompiledPolicy, Effect, Policy, Statement
from purposewatch_policy.vocabulary import FIRST_PARTY, Taxonomy

_PROHIBITED = 0.02


def draw_policy(rng: Random, like: CompiledPolicy, statements: int) -> Policy:
    """Draw a policy with so many statements, in the words of another one."""
    drawn = (_statement(rng, like, number) for number in range(statements))
    return replace(like.policy, version=f"synthetic-{statements}", statements=tuple(drawn))


def _statement(rng: Random, like: CompiledPolicy, number: int) -> Statement:
    words = like.vocabulary
    permits = rng.random() >= _PROHIBITED
    first_party = rng.random() < 0.6
    fact = rng.choice(list(words.facts))
    condition = rng.choice(("when", "unless", *[""] * 8))
    return Statement(
        id=f"synthetic.n{number}",
        clause=f"section.{number}",
        effect=Effect.PERMIT if permits else Effect.PROHIBIT,
        roles=_some(rng, words.roles, 2),
        data_categories=_some(rng, _below_roots(words.data_categories), 3),
        operations=_some(rng, words.operations, 2),
        purposes=_some(rng, _below_roots(words.purposes), 2),
        recipients=(FIRST_PARTY,) if first_party else _some(rng, words.recipients, 2),
        legal_bases=_some(rng, words.legal_bases, 2) if permits and rng.random() < 0.5 else None,
        sources=_some(rng, words.sources, 2) if rng.random() < 0.2 else None,
        locations=_some(rng, words.locations, 2) if rng.random() < 0.1 else None,
        retention_days=rng.choice((30, 365, 1825)) if rng.random() < 0.2 else None,
        when=(fact,) if condition == "when" else (),
        unless=(fact,) if condition == "unless" else (),
    )


def _below_roots(taxonomy: Taxonomy) -> Iterable[str]:
    """Return the terms that real statements name: not the roots, which cover nearly everything."""
    return (term for term in taxonomy if len(taxonomy.lineage(term)) > 1)


def _some(rng: Random, terms: Iterable[str], most: int) -> tuple[str, ...]:
    shuffled: Sequence[str] = rng.sample(listed := list(terms), len(listed))
    return tuple(islice(shuffled, rng.randint(1, most)))
