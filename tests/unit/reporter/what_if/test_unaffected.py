"""What no changed statement is about is decided as it was, and is not decided again."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from purposewatch_policy import CompiledPolicy, PolicySet
from purposewatch_policy.model import Policy
from purposewatch_reporter.flows import outlines
from purposewatch_reporter.flows.flow import Amount, FlowCount
from purposewatch_reporter.flows.outlines import read_outlines
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.what_if.details import read_all_effects
from purposewatch_reporter.what_if.effects import Change, WhatIfComparison
from purposewatch_reporter.what_if.unaffected import Unaffected
from tests.unit.policy.random_worlds import World, draw_world
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.flows.reading import all_counts
from tests.unit.reporter.records import in_topic
from tests.unit.reporter.what_if.borrowers import CONTROLLER, a_day, declared
from tests.unit.reporter.what_if.ledger_flows import compare, counted
from tests.unit.reporter.what_if.test_effects import draw_events, redrawn

SEEDS = range(60)
PUBLIC = "sharing.overdue.public"


def edited(rng: Random, policy: Policy, world: World) -> Policy:
    """The policy without a statement, with one of another policy, or with one that is altered."""
    statements = list(policy.statements)
    pool = [each for one in world.policies for each in one.statements]
    match rng.randrange(3) if statements else 1:
        case 0:
            del statements[rng.randrange(len(statements))]
        case 1:
            statements += [
                replace(each, id="added") for each in rng.sample(pool, min(1, len(pool)))
            ]
        case _:
            number = rng.randrange(len(statements))
            statements[number] = replace(rng.choice(pool), id=statements[number].id)
    return replace(policy, statements=tuple(statements))


def drawn(seed: int) -> tuple[CompiledPolicy, tuple[CompiledPolicy, ...], list[FlowCount]]:
    """A candidate, the versions before it, and what they decided about some events."""
    rng = Random(seed)  # noqa: S311 - the same every time
    world = draw_world(rng)
    policies = PolicySet({"acme": world.vocabulary}, world.policies)
    before = policies.versions("acme")
    candidate = CompiledPolicy(edited(rng, rng.choice(world.policies), world), world.vocabulary)
    return candidate, tuple(before), counted(draw_events(rng, world), policies)


def is_sure(unaffected: Unaffected, count: FlowCount) -> bool:
    """What is said of a counted decision."""
    terms = count.flow.terms
    return unaffected.is_sure(count.digest, terms.role, terms.recipient, terms.data_categories)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_sure_is_unchanged(seed: int) -> None:
    """For each decision that is said to be sure, deciding it again changes nothing."""
    candidate, before, counts = drawn(seed)
    unaffected = Unaffected(candidate, before)
    for count in counts:
        if is_sure(unaffected, count):
            totals = compare(candidate, (), [count]).totals
            assert totals[Change.UNCHANGED].events == count.events


def test_the_seeds_show_both() -> None:
    """Decisions that are sure, that are not and stay, and that change: else nothing was proved."""
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        candidate, before, counts = drawn(seed)
        unaffected = Unaffected(candidate, before)
        for count in counts:
            totals = compare(candidate, (), [count]).totals
            stays = totals[Change.UNCHANGED].events > 0
            seen["sure" if is_sure(unaffected, count) else "stays" if stays else "changes"] += 1
    assert min(seen["sure"], seen["stays"], seen["changes"]) > 50


def test_nothing_is_sure_with_another_vocabulary_or_of_another_policy() -> None:
    """Other systems may answer for facts, and nobody knows what an unknown policy said."""
    candidate, before, counts = drawn(0)
    other = CompiledPolicy(candidate.policy, redrawn(Random(1), candidate.vocabulary))  # noqa: S311
    assert other.vocabulary != candidate.vocabulary
    assert not any(is_sure(Unaffected(other, before), count) for count in counts)
    assert not any(is_sure(Unaffected(candidate, ()), count) for count in counts)


def is_told(count: FlowCount, counts: Sequence[FlowCount]) -> bool:
    """Whether outlines have the decisions about its data categories."""
    number = sum(each.flow.id == count.flow.id for each in counts)
    return count.outcome != "permitted" or number > 1


@pytest.mark.parametrize("size", [1, 2, 5_000])
async def test_outlines_and_counts_agree(
    database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """However the flows are divided: the same decisions and sums, each once."""
    monkeypatch.setattr(outlines, "_CHUNK", size)
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", a_day()))
    async with database.reading() as connection:
        counts = await all_counts(connection, CONTROLLER)
        read = read_outlines(connection, Amount, controller=CONTROLLER)
        found = [each async for some in read for each in some]
    assert len(counts) > 2
    assert Counter((each.flow_id, each.digest) for each in found) == Counter(
        (each.flow.id, each.digest) for each in counts
    )
    assert Counter(
        (each.flow_id, each.outcome, each.kind, tuple(each.categories)) for each in found
    ) == Counter(
        (each.flow.id, each.outcome, each.kind, each.categories if is_told(each, counts) else ())
        for each in counts
    )
    assert sum(part.events for each in found for part in each.amounts) == sum(
        each.events for each in counts
    )


async def test_the_answer_is_that_of_deciding_everything(database: Database) -> None:
    """With what is read, and what is sure left out, it is the same as of all counts."""
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", a_day()))
    [current] = declared().versions(CONTROLLER)
    statements = [each for each in current.policy.statements if each.id != PUBLIC]
    policy = replace(current.policy, statements=tuple(statements))
    candidate = CompiledPolicy(policy, current.vocabulary)
    async with database.reading() as connection:
        counts = await all_counts(connection, CONTROLLER)
        comparison = WhatIfComparison(candidate, [current])
        async for some in read_outlines(connection, Amount, controller=CONTROLLER):
            comparison.add(some)
    whole, found = compare(candidate, (), counts), comparison.answer()
    assert 0 < len(found.effects) < len(counts)
    effects = await read_all_effects(database, found, found.effects, since=None)
    assert list(whole.effects) == effects
    assert whole.totals == found.totals
    assert (whole.other, whole.carried) == (found.other, found.carried)
    assert compare(candidate, [current], counts).unstated == found.unstated
