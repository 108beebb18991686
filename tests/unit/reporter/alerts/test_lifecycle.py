"""The life cycle of an episode, without a database; and the database held to it."""

from datetime import timedelta

from purposewatch_reporter.alerts.lifecycle import (
    AlertState,
    Effect,
    Episode,
    EpisodePolicy,
    activity,
    advance,
    end,
)
from purposewatch_reporter.store import tables
from tests.unit.reporter.alerts.conftest import Bench
from tests.unit.reporter.conftest import NOW

QUIET = timedelta(minutes=10)
POLICY = EpisodePolicy(QUIET)
TICK = timedelta(microseconds=1)


def test_activity_begins_an_episode_and_continues_it() -> None:
    """The first counts from 1 again, the others add to it."""
    begun = activity(Episode(), 2, NOW)
    assert begun == Episode(AlertState.FIRING, 1, 2, NOW, NOW)
    later = NOW + QUIET
    assert activity(begun, 3, later) == Episode(AlertState.FIRING, 1, 5, NOW, later)
    ended, _ = end(begun, later)
    assert activity(ended, 1, later) == Episode(AlertState.FIRING, 2, 1, later, later, routed=1)


def test_an_episode_is_routed_once() -> None:
    """In the first round after it began."""
    routed, effects = advance(activity(Episode(), 1, NOW), POLICY, NOW)
    assert (routed.routed, effects) == (1, (Effect.ROUTE,))
    assert advance(routed, POLICY, NOW) == (routed, ())


def test_an_episode_ends_after_the_whole_quiet_time() -> None:
    """Not a moment earlier."""
    episode, _ = advance(activity(Episode(), 1, NOW), POLICY, NOW)
    assert advance(episode, POLICY, NOW + QUIET) == (episode, ())
    ended, effects = advance(episode, POLICY, NOW + QUIET + TICK)
    assert (ended.state, ended.quiet_time) == (AlertState.QUIET, NOW + QUIET + TICK)
    assert effects == (Effect.RESOLVE,)
    assert advance(ended, POLICY, NOW + 2 * QUIET) == (ended, ())


def test_no_episode_ends_before_it_is_routed() -> None:
    """However late it is looked at."""
    _, effects = advance(activity(Episode(), 1, NOW), POLICY, NOW + timedelta(days=1))
    assert effects == (Effect.ROUTE, Effect.RESOLVE)


def test_what_is_ended_explicitly_does_not_end_by_itself() -> None:
    """And what was never routed never alerts."""
    begun = activity(Episode(), 1, NOW)
    firing, effects = advance(begun, EpisodePolicy(quiet=None), NOW + timedelta(days=9))
    assert (firing.is_firing, effects) == (True, (Effect.ROUTE,))
    ended, effects = end(begun, NOW)
    assert (ended.routed, effects) == (1, (Effect.RESOLVE,))
    assert end(ended, NOW) == (ended, ())


async def test_recording_violations_applies_the_same_activity(bench: Bench) -> None:
    """The statement that adds to findings in bulk agrees with the state machine."""
    expected = Episode()
    for count in (2, 3, 1):
        await bench.violate(*["user.a"] * count)
        expected = activity(expected, count, bench.now)
        [row] = await bench.rows(tables.findings)
        assert Episode.from_row(row) == expected
        await bench.advance()
        expected, _ = advance(expected, EpisodePolicy(bench.quiet), bench.now)
        bench.later(minutes=6)
        if count == 3:
            bench.later(minutes=6)
            await bench.advance()
            expected, _ = advance(expected, EpisodePolicy(bench.quiet), bench.now)
            assert not expected.is_firing
