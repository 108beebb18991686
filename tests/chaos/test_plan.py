"""The plan of a chaos run."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from tests.chaos.plan import BROKERS, LONG, SHORT, Action, Step, kills_plan, make_plan

_SEEDS = range(50)


def test_a_seed_repeats_its_plan() -> None:
    """Seed and length decide everything; another seed gives another plan."""
    assert make_plan(1, 300) == make_plan(1, 300)
    assert make_plan(1, 300) != make_plan(2, 300)
    assert kills_plan(1, 60) == kills_plan(1, 60)


@pytest.mark.parametrize("seed", _SEEDS)
def test_the_short_plan_does_each_thing_once(seed: int) -> None:
    """Whatever the seed, the short run leaves nothing out, and is over in time."""
    steps = make_plan(seed, 45, short=True)

    assert Counter([*(card.action for card in SHORT), Action.RELOAD]) == Counter(
        step.action for step in steps
    )
    assert max(step.at + step.lasting for step in steps) <= 45 + 0.1


@pytest.mark.parametrize("seed", _SEEDS)
def test_the_long_plan_does_everything(seed: int) -> None:
    """Five minutes are enough for every kind of step."""
    kinds = {(step.action, step.link) for step in make_plan(seed, 300)}

    assert {*((card.action, card.link) for card in LONG), (Action.RELOAD, "")} == kinds


@pytest.mark.parametrize("seed", _SEEDS)
def test_no_target_is_in_two_steps_at_once(seed: int) -> None:
    """A step may begin only when the target is back, and never are two brokers down together."""
    by_slot: dict[str, list[Step]] = {}
    for step in make_plan(seed, 300):
        slot = "brokers" if step.target in BROKERS else step.target
        by_slot.setdefault(slot, []).append(step)

    for steps in by_slot.values():
        for earlier, later in itertools.pairwise(steps):
            assert earlier.at + earlier.lasting < later.at
