"""Policies without files, as the rules of `policy lint` look at them."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.flow_space import FlowSpace
from purposewatch_policy.lint.subject import Subject
from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.yaml_reader.source import Location, MappingNode
from tests.unit.policy.random_worlds import PlainFlow, World, draw_world

NOWHERE = Location("policy.yaml", 1, 1)
FLOWS_PER_WORLD = 24


def subject_of(compiled: CompiledPolicy) -> Subject:
    """Return a version whose statements all have the same location."""
    nodes = {each.id: MappingNode(NOWHERE) for each in compiled.statements}
    return Subject(compiled, MappingNode(NOWHERE), nodes)


def draw(seed: int) -> tuple[World, Subject, FlowSpace, list[PlainFlow]]:
    """Draw a policy with overlapping statements, and flows near them."""
    rng = Random(seed)  # noqa: S311  # has to be reproducible, not secret
    world = draw_world(rng)
    policy = world.policies[0]
    statements = [*policy.statements]
    for statement in policy.statements:
        statements.extend(_relatives(rng, statement))
    rng.shuffle(statements)
    policy = replace(policy, statements=tuple(statements))
    world = World(world.vocabulary, [policy])
    compiled = CompiledPolicy(policy, world.vocabulary)
    flows = [world.flow(rng)[0] for _ in range(FLOWS_PER_WORLD)]
    known = [flow for flow in flows if "nowhere" not in str(flow)]
    return world, subject_of(compiled), FlowSpace(compiled), known


def _relatives(rng: Random, statement: Statement) -> Iterator[Statement]:
    """Yield statements that say the same, more, or a part of it, or prohibit it."""
    if rng.random() < 0.2:
        yield replace(statement, id=f"{statement.id}.again", roles=statement.roles)
    if rng.random() < 0.3:
        yield replace(statement, id=f"{statement.id}.wider", roles=None, when=(), unless=())
    if rng.random() < 0.3 and len(statement.operations) > 1:
        for number, operation in enumerate(statement.operations):
            yield replace(
                statement,
                id=f"{statement.id}.part{number}",
                operations=(operation,),
                retention_days=None,
                retention_at_least=None,
            )
    if rng.random() < 0.2:
        yield replace(
            statement,
            id=f"{statement.id}.forbidden",
            effect=Effect.PROHIBIT,
            legal_bases=None,
            data_categories=statement.data_categories[:1],
            exceptions={
                dimension: terms
                for dimension, terms in statement.exceptions.items()
                if dimension is not Dimension.LEGAL_BASIS
            },
        )
