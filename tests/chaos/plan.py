"""The faults of a run and their times, derived from the seed and the length alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSION_SECONDS = 6.0
"""The services' session timeout: who is silent for longer loses its partitions."""

BROKERS = ("broker-1", "broker-2", "broker-3")
AUDITORS = ("auditor-1", "auditor-2")
EXTRA_AUDITOR = "auditor-3"
REPORTERS = ("reporter-1", "reporter-2")
INGEST = "ingest"
POSTGRESQL = "postgresql"
POLICIES = "policies"
DISK = "disk"


class Action(StrEnum):
    """A fault that is injected into a target and removed after a while."""

    KILL = "kill"
    """SIGKILL; started again at the end."""
    PAUSE = "pause"
    """SIGSTOP, longer than the session lasts; SIGCONT at the end."""
    ROLL = "roll"
    """SIGTERM, as an orderly restart does; started again at the end."""
    ADD = "add"
    """One more auditor joins; SIGTERM at the end."""
    RESET = "reset"
    """All connections to Kafka, or to PostgreSQL, are broken and refused."""
    BLACKHOLE = "blackhole"
    """The same connections stay, but nothing passes; what was held back arrives at the end."""
    RELOAD = "reload"
    """A new policy version is put in force."""
    FILL = "fill"
    """No space is left on the disk under the database; room is made at the end."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault; times are seconds since the first event was sent."""

    at: float
    action: Action
    target: str
    lasting: float = 0.0
    link: str = ""
    """What the target is cut off from: `kafka` or `postgresql`."""
    aimed: bool = False
    """Wait, for a bounded time, until the target has a batch in flight: the worst moment."""

    def __str__(self) -> str:
        link = f" from {self.link}" if self.link else ""
        lasting = f", for {self.lasting:.1f} s" if self.lasting else ""
        return f"{self.action} {self.target}{link}{lasting}"


@dataclass(frozen=True, slots=True)
class _Card:
    """A kind of step: its possible targets and duration."""

    action: Action
    targets: tuple[str, ...]
    shortest: float
    longest: float
    link: str = ""


_PAUSED = (SESSION_SECONDS * 1.3, SESSION_SECONDS * 2.0)
_ANY_SERVICE = (INGEST, *AUDITORS, *REPORTERS)

SHORT: tuple[_Card, ...] = (
    _Card(Action.KILL, AUDITORS, 0.5, 3.0),
    _Card(Action.KILL, REPORTERS, 0.5, 3.0),
    _Card(Action.KILL, BROKERS, 2.0, 4.0),
    _Card(Action.KILL, (POSTGRESQL,), 1.0, 3.0),
    _Card(Action.PAUSE, AUDITORS, *_PAUSED),
    _Card(Action.BLACKHOLE, REPORTERS, 3.0, 6.0, "postgresql"),
    _Card(Action.RESET, AUDITORS, 1.0, 3.0, "kafka"),
)
"""What the short run does, once each."""

LONG: tuple[_Card, ...] = (
    *SHORT,
    _Card(Action.KILL, (INGEST,), 0.5, 3.0),
    _Card(Action.KILL, AUDITORS, 0.0, 10.0),
    _Card(Action.KILL, REPORTERS, 0.0, 10.0),
    _Card(Action.KILL, BROKERS, 2.0, 15.0),
    _Card(Action.PAUSE, _ANY_SERVICE, *_PAUSED),
    _Card(Action.PAUSE, REPORTERS, *_PAUSED),
    _Card(Action.PAUSE, BROKERS, 4.0, 8.0),
    _Card(Action.ROLL, AUDITORS, 0.0, 1.0),
    _Card(Action.ROLL, REPORTERS, 0.0, 1.0),
    _Card(Action.ROLL, (INGEST,), 0.0, 1.0),
    _Card(Action.ADD, (EXTRA_AUDITOR,), 8.0, 20.0),
    _Card(Action.BLACKHOLE, AUDITORS, SESSION_SECONDS * 1.3, SESSION_SECONDS * 3, "kafka"),
    _Card(Action.BLACKHOLE, REPORTERS, SESSION_SECONDS * 1.3, SESSION_SECONDS * 3, "kafka"),
    _Card(Action.BLACKHOLE, (INGEST,), 2.0, 15.0, "kafka"),
    _Card(Action.RESET, REPORTERS, 1.0, 5.0, "kafka"),
    _Card(Action.RESET, REPORTERS, 1.0, 5.0, "postgresql"),
    _Card(Action.RESET, (INGEST,), 1.0, 5.0, "kafka"),
)
"""What the long run does over and over, in a new order each time."""

_FIRST = 3.0
_GAP = (1.0, 7.0)
_REST = 2.0
"""Between the end of one step and the next on the same target."""


def make_plan(seed: int, seconds: float, *, short: bool = False) -> list[Step]:
    """Return the steps of a run, in the order of their beginning.

    The short plan holds every card of `SHORT` once within the time; the long one deals out `LONG`
    again and again until the time is over. No target is in two steps at once, and no two brokers
    are down together: with two of three down Kafka may reject all writes.
    """
    # not `random.random`'s own state: what else a process draws must not change the plan
    chance = random.Random(f"{seed}/{'short' if short else 'long'}")  # noqa: S311 - no secret
    steps = _once(chance, seconds) if short else _over_and_over(chance, seconds)
    reload_at = round(seconds * chance.uniform(0.25, 0.5), 1)
    steps.append(Step(reload_at, Action.RELOAD, POLICIES))
    return sorted(steps, key=lambda step: step.at)


def kills_plan(seed: int, seconds: float) -> list[Step]:
    """Return the steps of a run of kills alone: auditors, reporters and ingest in turn.

    An auditor is killed only when it has had the time to get partitions, and something to do.
    """
    chance = random.Random(f"{seed}/kills")  # noqa: S311 - no secret
    steps: list[Step] = []
    at = _FIRST
    while at < seconds - 2:
        victims = (chance.choice(AUDITORS), chance.choice(REPORTERS), INGEST)
        for number, victim in enumerate(victims):
            lasting = round(chance.uniform(0.2, 1.0), 1)
            begins = round(at + number * 2.0, 1)
            aimed = victim in AUDITORS
            steps.append(Step(begins, Action.KILL, victim, lasting, aimed=aimed))
        at += SESSION_SECONDS + chance.uniform(3.0, 4.0)
    return steps


def disk_plan(seed: int, seconds: float) -> list[Step]:
    """Return the steps of the run in which the disk under SQLite fills, twice or more."""
    chance = random.Random(f"{seed}/disk")  # noqa: S311 - no secret
    steps: list[Step] = []
    at = _FIRST
    while at < seconds - 4 or len(steps) < 2:
        lasting = round(chance.uniform(5.0, 9.0), 1)
        steps.append(Step(round(at, 1), Action.FILL, DISK, lasting))
        if chance.random() < 0.7:
            killed_at = at + lasting * chance.uniform(0.2, 0.8)
            steps.append(Step(round(killed_at, 1), Action.KILL, REPORTERS[0], 1.0))
        at += lasting + chance.uniform(4.0, 8.0)
    return steps


def _once(chance: random.Random, seconds: float) -> list[Step]:
    cards = list(SHORT)
    chance.shuffle(cards)
    gap = (seconds - _FIRST - max(card.longest for card in cards)) / max(1, len(cards) - 1)
    busy: dict[str, float] = {}
    steps = []
    for number, card in enumerate(cards):
        steps.append(_deal(chance, card, _FIRST + number * gap, busy))
    return steps


def _over_and_over(chance: random.Random, seconds: float) -> list[Step]:
    busy: dict[str, float] = {}
    steps: list[Step] = []
    deck: list[_Card] = []
    at = _FIRST
    while at < seconds:
        if not deck:
            deck = list(LONG)
            chance.shuffle(deck)
        steps.append(_deal(chance, deck.pop(), at, busy))
        at += chance.uniform(*_GAP)
    return [step for step in steps if step.at < seconds]


def _deal(chance: random.Random, card: _Card, at: float, busy: dict[str, float]) -> Step:
    """Choose target and duration; start later when the target is still in another step."""
    target = chance.choice(card.targets)
    lasting = chance.uniform(card.shortest, card.longest)
    # brokers share one slot: only one of them is ever down
    slot = "brokers" if target in BROKERS else target
    at = max(at, busy.get(slot, 0.0))
    busy[slot] = at + lasting + _REST + (_BROKER_REST if target in BROKERS else 0.0)
    return Step(round(at, 1), card.action, target, round(lasting, 1), card.link)


_BROKER_REST = 8.0
"""For a broker that came back to be in sync again before the next one goes."""


def as_lines(steps: Sequence[Step]) -> list[str]:
    """The plan for people to read."""
    return [f"{step.at:7.1f} s  {step}" for step in steps]
