"""The life cycle of an alert: a pure state machine over its episodes.

An episode is a period of activity of a finding or a notice. It begins with the first activity that
is not silenced, is routed to channels once, and ends when it has been quiet for long enough, is
silenced, or is ended by whoever raised it.

The database applies `activity` to findings in bulk, in `findings/record.py`; a test holds the two
equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class AlertState(StrEnum):
    """Whether an episode is going on."""

    QUIET = "quiet"
    FIRING = "firing"


class Effect(StrEnum):
    """What has to be done in the transaction that stores a transition, in this order."""

    ROUTE = "route"
    """Put the episode into the outbox of every channel that a route names."""
    RESOLVE = "resolve"
    """Tell the channels that the episode is over."""


@dataclass(frozen=True, slots=True)
class EpisodePolicy:
    """When an episode ends."""

    quiet: timedelta | None
    """This long after the latest activity; `None`: only when it is ended explicitly."""


@dataclass(frozen=True, slots=True)
class Episode:
    """The latest episode of a finding or a notice. Number 0: there was none yet."""

    state: AlertState = AlertState.QUIET
    number: int = 0
    count: int = 0
    """Occurrences in this episode that were not silenced."""
    started_time: datetime | None = None
    active_time: datetime | None = None
    quiet_time: datetime | None = None
    routed: int = 0
    """The number of the latest episode that was routed, or was silenced before it was."""

    @property
    def is_firing(self) -> bool:
        """Whether it is going on."""
        return self.state is AlertState.FIRING

    @classmethod
    def from_row(cls, row: Any) -> "Episode":
        """The episode in a row of findings or notices."""
        values = {field: getattr(row, column) for field, column in _COLUMNS.items()}
        return cls(**{**values, "state": AlertState(row.state)})

    def as_row(self) -> Mapping[str, Any]:
        """The columns of findings and notices that hold it."""
        values = {column: getattr(self, field) for field, column in _COLUMNS.items()}
        return {**values, "state": str(self.state)}


_COLUMNS = {
    "state": "state",
    "number": "episode",
    "count": "episode_count",
    "started_time": "episode_started_time",
    "active_time": "active_time",
    "quiet_time": "quiet_time",
    "routed": "routed_episode",
}


def activity(episode: Episode, count: int, now: datetime) -> Episode:
    """Occurrences that are not silenced: they continue the episode, or begin the next one."""
    if episode.is_firing:
        return replace(episode, count=episode.count + count, active_time=now)
    return Episode(
        state=AlertState.FIRING,
        number=episode.number + 1,
        count=count,
        started_time=now,
        active_time=now,
        routed=episode.routed,
    )


def advance(
    episode: Episode, policy: EpisodePolicy, now: datetime
) -> tuple[Episode, tuple[Effect, ...]]:
    """Route an episode that began; end it if it has been quiet for long enough.

    INVARIANT: an episode is routed before it ends, however late this is called: none is skipped.
    """
    if not episode.is_firing:
        return episode, ()
    effects: tuple[Effect, ...] = ()
    if episode.routed < episode.number:
        episode = replace(episode, routed=episode.number)
        effects = (Effect.ROUTE,)
    if _is_quiet(episode, policy, now):
        episode = replace(episode, state=AlertState.QUIET, quiet_time=now)
        effects = (*effects, Effect.RESOLVE)
    return episode, effects


def _is_quiet(episode: Episode, policy: EpisodePolicy, now: datetime) -> bool:
    if policy.quiet is None or episode.active_time is None:
        return False
    return episode.active_time < now - policy.quiet


def end(episode: Episode, now: datetime) -> tuple[Episode, tuple[Effect, ...]]:
    """End the episode at once. What was not routed yet never alerts."""
    if not episode.is_firing:
        return episode, ()
    ended = replace(episode, state=AlertState.QUIET, quiet_time=now, routed=episode.number)
    return ended, (Effect.RESOLVE,)
