"""What another policy would have decided, against deciding each event one by one."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from random import Random

import pytest

from purposewatch_policy import CompiledPolicy, Dimension, PolicySet, decide_under
from purposewatch_policy.model import Effect, Policy, Statement
from purposewatch_policy.vocabulary import Authority, Taxonomy, TermEntry, Vocabulary
from purposewatch_reporter.flows.flow import FlowCount, LedgerFlow
from purposewatch_reporter.what_if.effects import (
    Change,
    Decided,
    change_of,
    decided_of,
)
from purposewatch_reporter.what_if.effects import (
    Effect as FlowEffect,
)
from purposewatch_reporter.what_if.stated import Unstated
from tests.unit.policy.random_worlds import EPOCH, PlainFlow, World, draw_world
from tests.unit.reporter.what_if.ledger_flows import (
    Compared,
    Happened,
    compare,
    counted,
    ledger_flow,
)

SCENES = 40
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def redrawn(rng: Random, vocabulary: Vocabulary) -> Vocabulary:
    """The same terms; other systems answer for the facts."""
    facts = {
        name: TermEntry(name, authority=rng.choice(list(Authority))) for name in vocabulary.facts
    }
    return replace(vocabulary, facts=Taxonomy("fact", facts))


def draw_events(rng: Random, world: World) -> list[Happened]:
    """Draw events about a few flows, more than one of most."""
    flows = [world.flow(rng) for _ in range(12)]
    return [
        Happened(
            replace(flow, controller="acme"),
            at,
            {fact: rng.choice([True, False, None]) for fact in world.vocabulary.facts},
            rng.choice(["crm", "shop"]),
            rng.choice([1, 1, 7]),
        )
        for flow, at in rng.choices(flows, k=40)
    ]


def naive_change(event: Happened, policies: PolicySet, candidate: CompiledPolicy) -> Change:
    """What becomes of one event, with all facts known."""
    before = decided_of(event.decided(policies))
    after = decided_of(decide_under(event.flow, candidate, event.truth))
    return change_of(before, after)


@dataclass(frozen=True)
class Scene:
    """Events that were decided by some policies, and another policy."""

    policies: PolicySet
    candidate: CompiledPolicy
    events: list[Happened]
    counts: list[FlowCount]


@cache
def scene(seed: int) -> Scene:
    """Draw one; the candidate's vocabulary may have other systems answer for the facts."""
    rng = Random(seed)  # noqa: S311 - the same every time
    world = draw_world(rng)
    policies = PolicySet({"acme": world.vocabulary}, world.policies)
    candidate = CompiledPolicy(rng.choice(world.policies), redrawn(rng, world.vocabulary))
    events = draw_events(rng, world)
    counts = counted(events, policies)
    rng.shuffle(counts)
    return Scene(policies, candidate, events, counts)


@pytest.mark.parametrize("seed", range(SCENES))
def test_every_event_is_counted_as_deciding_it_alone_would(seed: int) -> None:
    """Of each flow and decision: the change, the events, what they stand for, who and when."""
    drawn = scene(seed)
    policies, candidate, counts = drawn.policies, drawn.candidate, drawn.counts

    answer = compare(candidate, (), counts, wanted={each.flow.id for each in counts})

    alike: defaultdict[object, list[Happened]] = defaultdict(list)
    for each in drawn.events:
        before = decided_of(each.decided(policies))
        alike[each.recorded(policies).id, before.kind, frozenset(before.categories)].append(each)
    assert len(alike) == len(answer.effects)
    for effect in answer.effects:
        before = effect.before
        group = alike[effect.flow.id, before.kind, frozenset(before.categories)]
        assert len(group) == effect.events
        assert sum(each.accesses for each in group) == effect.accesses
        assert {each.publisher for each in group} == set(effect.publishers)
        assert min(each.at for each in group) == effect.first_time
        assert max(each.at for each in group) == effect.last_time
        if effect.change is not Change.NOT_KNOWN:
            assert effect.missing == ()
            assert {naive_change(each, policies, candidate) for each in group} == {effect.change}
    assert {
        change: sum(each.events for each in answer.effects if each.change is change)
        for change in Change
    } == {change: amount.events for change, amount in answer.totals.items()}


@pytest.mark.parametrize("seed", range(SCENES))
def test_what_is_not_known_could_be_either(seed: int) -> None:
    """Some values of the missing facts lead to one decision, others to another; never a guess."""
    drawn = scene(seed)
    for effect in compare(drawn.candidate, (), drawn.counts).effects:
        if effect.change is Change.NOT_KNOWN:
            assert effect.after is None
            assert not set(effect.missing) & set(effect.flow.ledger)
            found = {
                tuple((each.outcome, each.kind) for each in decision.categories)
                for values in product((True, False, None), repeat=len(effect.missing))
                for facts in [dict(zip(effect.missing, values, strict=True))]
                for decision in [
                    decide_under(
                        effect.flow.terms, drawn.candidate, {**effect.flow.ledger, **facts}
                    )
                ]
            }
            assert len(found) > 1


def test_the_scenes_show_every_change() -> None:
    """Else the two tests above would prove nothing about some of them."""
    seen: set[Change] = set()
    for seed in range(SCENES):
        drawn = scene(seed)
        totals = compare(drawn.candidate, (), drawn.counts).totals
        seen |= {change for change, amount in totals.items() if amount.events}
    assert seen == set(Change) - {Change.BECOMES_UNKNOWN}  # the vocabularies have the same terms


VOCABULARY = Vocabulary.of(
    roles=["member"],
    data_categories=["user", "user.email", "user.name"],
    operations=["use", "share"],
    purposes=["service", "ads"],
    recipients=["first_party", "public"],
    locations=["eu"],
    facts=["consent"],
)


def permit(name: str, **changes: object) -> Statement:
    """A permit of using a member's data for the service."""
    named: dict[str, object] = {
        "data_categories": ("user",),
        "operations": ("use",),
        "roles": ("member",),
        "purposes": ("service",),
        "recipients": ("first_party",),
    } | changes
    return Statement(name, f"m.{name}", Effect.PERMIT, **named)  # type: ignore[arg-type]


def policy(version: str, *statements: Statement) -> CompiledPolicy:
    """A version of the policy of `acme`."""
    return CompiledPolicy(Policy("acme", version, EPOCH, None, statements), VOCABULARY)


def event(**changes: object) -> Happened:
    """A member's e-mail address is used for the service."""
    terms: dict[str, object] = {
        "role": "member",
        "operation": "use",
        "purpose": "service",
        "recipient": "first_party",
        "data_categories": ("user.email",),
    } | changes
    return Happened(PlainFlow("acme", **terms), NOW, {})  # type: ignore[arg-type]


def asked(candidate: CompiledPolicy, before: CompiledPolicy, events: list[Happened]) -> Compared:
    """The answer about events that were decided by a version."""
    policies = PolicySet({"acme": VOCABULARY}, [before.policy])
    return compare(candidate, (before,), counted(events, policies))


def test_the_deciding_statements_before_and_after_are_told() -> None:
    """Also the one that comes nearest, where none decides."""
    before = policy("1", permit("all"))
    candidate = policy("2", permit("names", data_categories=("user.name",)))
    answer = asked(candidate, before, [event()] * 3)
    [effect] = answer.effects
    assert Change.BECOMES_VIOLATION is effect.change
    assert effect.versions == ("1",)
    [was] = effect.before.categories
    assert effect.after is not None
    [would] = effect.after.categories
    assert (was.statement, was.is_nearest_miss) == ("all", False)
    assert (would.statement, would.is_nearest_miss) == ("names", True)
    assert effect.after.kind == "undeclared_category"


def test_effects_are_sorted_by_change_and_events() -> None:
    """What becomes a violation first, the most frequent of it first."""
    before = policy("1", permit("all"))
    candidate = policy("2", permit("ads", purposes=("ads",)))
    events = [event(), *[event(data_categories=("user.name",))] * 2, *[event(purpose="ads")] * 9]
    answer = asked(candidate, before, events)
    assert [(each.change, each.events) for each in answer.effects] == [
        (Change.BECOMES_VIOLATION, 2),
        (Change.BECOMES_VIOLATION, 1),
        (Change.BECOMES_PERMITTED, 9),
    ]
    assert answer.decided.events == len(events)


def test_a_flow_that_two_versions_decided_alike_is_one_effect() -> None:
    """Its counts are added, and both versions are told."""
    before, later = (
        Policy("acme", "1", EPOCH, NOW, (permit("all"),)),
        Policy("acme", "2", NOW, None, (permit("all"),)),
    )
    policies = PolicySet({"acme": VOCABULARY}, [before, later])
    old = replace(event(), at=NOW - timedelta(days=1), publisher="shop")
    counts = counted([event(), old], policies)
    assert len(counts) == 2
    [effect] = compare(policy("3", permit("ads", purposes=("ads",))), (), counts).effects
    assert effect.versions == ("1", "2")
    assert (effect.events, effect.publishers) == (2, ("crm", "shop"))
    assert (effect.first_time, effect.last_time) == (old.at, NOW)


def test_a_change_of_one_data_category_is_a_change() -> None:
    """Also where the event as a whole is a violation of the same kind before and after."""
    before = policy("1", permit("names", data_categories=("user.name",)))
    candidate = policy("2", permit("mails", data_categories=("user.email",)))
    answer = asked(candidate, before, [event(data_categories=("user.email", "user.name"))])
    assert [each.change for each in answer.effects] == [Change.CHANGES_KIND]


def test_what_has_no_whole_flow_is_not_decided() -> None:
    """Its share of the events is told instead."""
    [count] = counted([event()] * 4, PolicySet({"acme": VOCABULARY}, [policy("1").policy]))
    terms = count.flow.terms
    other = LedgerFlow(b"other", terms, is_other=True)
    carried = LedgerFlow(b"carried", terms, is_carried=True)

    def of(flow: LedgerFlow, events: int) -> FlowCount:
        return FlowCount(flow, "permitted", None, "1", None, (), events, events, NOW, NOW, ("crm",))

    answer = compare(policy("2"), (), [count, of(other, 5), of(carried, 6)])
    assert (answer.decided.events, answer.other.events, answer.carried.events) == (4, 5, 6)


def test_what_no_event_could_state_is_told() -> None:
    """A dimension, a fact and a new term that the candidate depends on, and no flow names."""
    before = policy("1", permit("all"))
    candidate = policy(
        "2",
        permit("eu", locations=("eu",)),
        permit("consent", when=("consent",)),
        permit("ads", purposes=("ads",)),
    )
    assert asked(candidate, before, [event()]).unstated == (
        Unstated(Dimension.LOCATION, None),
        Unstated(Dimension.FACTS, "consent"),
        Unstated(Dimension.PURPOSE, "ads"),
    )
    stating = [
        event(location="eu"),
        event(purpose="ads"),
        event(facts={"consent": False}),
    ]
    assert asked(candidate, before, stating).unstated == ()
    assert asked(candidate, before, []).unstated == ()


def test_unchanged_flows_are_listed_only_where_they_are_wanted() -> None:
    """To compare the answer with single events."""
    counts = counted(
        [event()], PolicySet({"acme": VOCABULARY}, [policy("1", permit("all")).policy])
    )
    candidate = policy("2", permit("all"))
    assert compare(candidate, (), counts).effects == ()
    [effect] = compare(candidate, (), counts, wanted={counts[0].flow.id}).effects
    assert isinstance(effect, FlowEffect)
    assert effect.change is Change.UNCHANGED
    assert isinstance(effect.after, Decided)
    assert ledger_flow(event().flow, {}) == effect.flow
