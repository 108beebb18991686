"""What `policy diff` says of a candidate, shadow mode says, and it comes once it is live."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

from purposewatch_policy import Candidate, Decision, Mode, PolicySet, relevant_facts
from purposewatch_policy.diff import compare_versions
from purposewatch_policy.model import Policy
from purposewatch_policy.shadow import with_shadow_statements
from purposewatch_policy.vocabulary import find_unknown_terms
from purposewatch_reporter.flows.flow import DecidedCategory
from purposewatch_reporter.what_if.effects import Change, Effect
from tests.unit.policy.diff.test_diff_property import KINDS, lies_in
from tests.unit.policy.random_worlds import EPOCH, PlainFlow, World, draw_world
from tests.unit.reporter.what_if.ledger_flows import Happened, categories_of, compare, counted

WORLDS = 50
FLOWS = 15
AGE = timedelta(days=400)


def tried(rng: Random, world: World) -> tuple[list[Policy], list[Policy]]:
    """A live version with another one, or with statements, in shadow mode; and after the edit."""
    full = replace(rng.choice(world.policies), in_force_until=None)
    if rng.random() < 0.5:
        other = replace(rng.choice(draw_like(rng, world).policies), version="tried")
        ended = replace(full, in_force_from=full.in_force_from - AGE, in_force_until=EPOCH)
        other = replace(other, in_force_from=EPOCH, in_force_until=None)
        before = [replace(ended, in_force_until=None), replace(other, mode=Mode.SHADOW)]
        return before, [ended, other]
    some = {index: each for index, each in enumerate(full.statements) if rng.random() < 0.4}
    live = tuple(each for index, each in enumerate(full.statements) if index not in some)
    marked = replace(full, statements=live, shadow_statements=some)
    return [marked], [with_shadow_statements(marked)]


def draw_like(rng: Random, world: World) -> World:
    """Another world's policies, of which statements may use terms that this one lacks."""
    while True:
        other = draw_world(rng)
        try:
            PolicySet({"acme": world.vocabulary}, other.policies)
        except KeyError:
            continue
        return other


def status(category: DecidedCategory) -> str:
    """What the difference of two versions distinguishes."""
    if category.outcome == "permitted":
        return "permitted"
    return "prohibited" if category.kind == "prohibited" else "undeclared"


def in_words(effect: Effect) -> dict[str, list[str]]:
    """The change of each data category, as a difference calls it."""
    assert effect.after is not None
    before = {each.data_category: status(each) for each in effect.before.categories}
    after = {each.data_category: status(each) for each in effect.after.categories}
    return {
        category: [KINDS[was, after[category]]] if was != after[category] else []
        for category, was in before.items()
    }


def happened(flow: PlainFlow, candidate: Candidate) -> Happened:
    """An event about a flow whose publisher claims the truth."""
    compiled = candidate.compiled
    truth = {fact: flow.facts.get(fact) for fact in compiled.vocabulary.facts}
    return Happened(replace(flow, controller="acme"), compiled.begins, truth)


def judge(event: Happened, policies: PolicySet, candidate: Candidate) -> Effect:
    """Record one event, and try the candidate on it."""
    counts = counted([event], policies)
    answer = compare(
        candidate.compiled, policies.versions("acme"), counts, wanted=[counts[0].flow.id]
    )
    [effect] = answer.effects
    return effect


def test_diff_and_shadow_agree_and_promotion_does_what_they_said() -> None:
    """On a wide sample in which every change occurs, for every data category."""
    rng = Random(5)  # noqa: S311  # a reproducible sample, not a secret
    seen: Counter[str] = Counter()
    for _ in range(WORLDS):
        world = draw_world(rng)
        before, after = tried(rng, world)
        policies = PolicySet({"acme": world.vocabulary}, before)
        promoted = PolicySet({"acme": world.vocabulary}, after)
        for candidate in policies.shadows("acme"):
            [live] = policies.versions("acme")
            difference = compare_versions(live, candidate.compiled)
            for _ in range(FLOWS):
                flow, _at = world.flow(rng)
                if find_unknown_terms(world.vocabulary, flow):
                    continue
                event = happened(flow, candidate)
                effect = judge(event, policies, candidate)
                seen[effect.change] += 1
                if effect.change is Change.NOT_KNOWN:
                    continue
                for category, found in in_words(effect).items():
                    expected = [
                        each.kind
                        for each in difference.changes
                        if lies_in(flow, category, each, difference.space.axes)
                    ]
                    assert expected == found
                    seen.update(found)
                check_promoted(effect, event.decided(promoted), candidate)
    wanted = {Change.BECOMES_VIOLATION, Change.BECOMES_PERMITTED, Change.CHANGES_KIND}
    assert not (wanted | set(KINDS.values()) | {Change.UNCHANGED}) - set(seen)


def check_promoted(effect: Effect, decision: Decision, candidate: Candidate) -> None:
    """After the edit, the same event is decided as shadow mode said."""
    assert decision.policy_digest == candidate.compiled.digest
    assert effect.after is not None
    assert (effect.after.outcome, effect.after.kind) == (decision.outcome, decision.kind)
    after = categories_of(decision)
    assert [each.kind for each in effect.after.categories] == [each.kind for each in after]
    needed = relevant_facts(effect.flow.terms, candidate.compiled)
    if set(needed) <= set(effect.flow.ledger):  # else another statement may decide the same
        assert effect.after.categories == after
