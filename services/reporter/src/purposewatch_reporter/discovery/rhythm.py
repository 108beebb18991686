"""Whether a publisher departs from its own weekly rhythm. Pure: counts by hour in, a judgement out.

Hours are numbered from 1970, in UTC. A week is 168 hours, so the same hour of every week has the
same number modulo 168, whatever clocks people change.
"""

from collections.abc import Mapping
from dataclasses import dataclass

WEEK = 168
WEEKS = 4
"""With how many weeks an hour is compared, at most."""
LEAST_WEEKS = 2
"""Of a publisher that is known for less, nothing is said."""
HISTORY = (WEEKS + 1) * WEEK
"""Hours that a judgement looks at."""


@dataclass(frozen=True, slots=True)
class RhythmPolicy:
    """What is out of the ordinary."""

    silent_events: int = 20
    """So many events were usual in the hours in which there are none. 0: never told."""
    surge_factor: int = 10
    """So many times the usual number of an hour. 0: never told."""
    surge_events: int = 1_000
    """An hour with fewer events is no surge."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No event in hours in which there usually are some."""

    last: int
    """The last hour with an event."""
    usual: int
    """How many are usual in the hours since."""


@dataclass(frozen=True, slots=True)
class Surge:
    """Many times the events of that hour of the week."""

    hour: int
    count: int
    usual: int
    """The most of the same hour, the one before and the one after, in earlier weeks."""


def find_silence(
    counts: Mapping[int, int], since: int, now: int, policy: RhythmPolicy
) -> Silence | None:
    """A silence until the hour `now`, which is not over and not judged.

    `counts` has the events of hours that have any, complete from the hour `since` on. The hours
    since the last event are compared with the same hours of earlier weeks, before that event. Of
    three or more weeks the one with the fewest events is left out: a holiday, or an outage.
    """
    spoken = [hour for hour, count in counts.items() if count]
    if not policy.silent_events or not spoken:
        return None
    last = max(spoken)
    silent = range(last + 1, now)
    back = -(-len(silent) // WEEK) * WEEK  # whole weeks: to before the silence
    weeks = [
        sum(counts.get(hour - back - week * WEEK, 0) for hour in silent)
        for week in range(WEEKS)
        if silent and silent[0] - back - week * WEEK >= since
    ]
    if len(weeks) < LEAST_WEEKS:
        return None
    usual = sorted(weeks)[1 if len(weeks) > LEAST_WEEKS else 0]
    return Silence(last, usual) if usual >= policy.silent_events else None


def find_surge(
    counts: Mapping[int, int], since: int, now: int, policy: RhythmPolicy
) -> Surge | None:
    """A surge in the hour `now`, as far as it has gone, or in the one before."""
    if not policy.surge_factor:
        return None
    for hour in (now, now - 1):
        count = counts.get(hour, 0)
        if count < policy.surge_events:
            continue
        same = [hour - week * WEEK for week in range(1, WEEKS + 1)]
        known = [each for each in same if each - 1 >= since]
        if len(known) < LEAST_WEEKS:
            continue
        usual = max(counts.get(each + beside, 0) for each in known for beside in (-1, 0, 1))
        if count >= policy.surge_factor * usual:
            return Surge(hour, count, usual)
    return None
