"""A consumer's state and what its probe says, without Kafka and without a clock."""

import pytest

from purposewatch_runtime.kafka.consumer_state import BATCH_STUCK_SECONDS, ConsumerState
from purposewatch_runtime.retry import Backoff


@pytest.fixture
def state() -> ConsumerState:
    """The state of a consumer that has partitions and nothing to do."""
    state = ConsumerState(Backoff(1, 8))
    state.assigned = frozenset({0})
    return state


def problem(state: ConsumerState, now: float = 0, unreadable: str | None = None) -> object:
    """The probe's answer as a pair."""
    check = state.problem(now, unreadable)
    return None if check is None else (check.ok, check.detail)


def test_idle_consumer_has_no_problem(state: ConsumerState) -> None:
    """Whether it really fetches is then to be asked of Kafka."""
    assert problem(state) is None


def test_consumer_without_partitions_is_not_ready(state: ConsumerState) -> None:
    """Neither before it has joined the group nor between two assignments."""
    state.assigned = None

    assert problem(state) == (False, "not in the consumer group")


def test_batch_in_flight_is_no_problem_until_it_is_stuck(state: ConsumerState) -> None:
    """A batch may take long, and the probe says how long it has taken."""
    state.begin(10)

    assert state.seconds(12.5) == 2.5
    assert problem(state, 12.5) == (True, "a batch in flight for 2.5 s")
    assert problem(state, 10 + BATCH_STUCK_SECONDS) == (False, "a batch in flight for 60.0 s")

    state.end()

    assert problem(state, 100) is None


def test_failures_back_off_until_a_batch_succeeds(state: ConsumerState) -> None:
    """Pauses grow with each failure in a row; one success starts over."""
    pauses = [state.failed(OSError()) for _ in range(3)]

    limits = (1, 2, 4)
    assert all(end / 2 <= pause <= end for pause, end in zip(pauses, limits, strict=True))
    assert problem(state) == (False, "retrying after OSError")

    state.succeeded()

    assert problem(state) is None
    assert state.failed(OSError()) <= 1


def test_the_most_serious_problem_comes_first(state: ConsumerState) -> None:
    """A stopped consumer needs a person; an unreadable partition is retried by itself."""
    assert problem(state, unreadable="partition 1") == (False, "partition 1")

    state.stopped = "too many bad records"

    assert problem(state, unreadable="partition 1") == (False, "stopped: too many bad records")
