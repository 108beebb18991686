"""A retry ends with success, a fatal error, the last attempt or the stop, whichever is first."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_runtime.retry import Backoff, retry

AT_ONCE = Backoff(0, 0)


@pytest.mark.parametrize("stopping", [None, asyncio.Event()])
async def test_it_tries_until_it_succeeds(stopping: asyncio.Event | None) -> None:
    """Every failure is reported, and the first success is the result."""
    reported: list[BaseException] = []
    errors = [OSError(), ValueError()]

    async def attempt() -> int:
        if errors:
            raise errors.pop()
        return 7

    result = await retry(
        attempt,
        backoff=AT_ONCE,
        stopping=stopping,
        on_failure=lambda error, _: reported.append(error),
    )

    assert result == 7
    assert [type(error) for error in reported] == [ValueError, OSError]


async def test_reported_pause_is_the_one_that_follows() -> None:
    """A log line says how long it takes until the next attempt."""
    pauses: list[float] = []

    async def attempt() -> None:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - it has no text
        await retry(
            attempt,
            backoff=Backoff(0.01, 0.02),
            attempts=4,
            on_failure=lambda _, pause: pauses.append(pause),
        )

    assert len(pauses) == 3
    limits = [(0.005, 0.01), (0.01, 0.02), (0.01, 0.02)]
    assert all(low <= pause <= high for pause, (low, high) in zip(pauses, limits, strict=True))


@pytest.mark.parametrize("options", [{"fatal": LookupError}, {"on": OSError}])
async def test_other_error_is_raised_at_once(options: Any) -> None:
    """What no retry repairs is not retried, nor reported as if it were."""
    reported: list[BaseException] = []

    async def attempt() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await retry(
            attempt,
            backoff=AT_ONCE,
            **options,
            on_failure=lambda error, _: reported.append(error),
        )

    assert reported == []


async def test_a_stop_interrupts_an_attempt_that_hangs() -> None:
    """Nobody waits for an attempt that never ends once the stop has come."""
    stopping = asyncio.Event()

    async def attempt() -> None:
        stopping.set()
        await asyncio.sleep(3_600)

    with pytest.raises(ConnectionError, match="stopped before"):
        async with asyncio.timeout(5):
            await retry(attempt, backoff=Backoff(1, 1), stopping=stopping)


async def test_a_stop_interrupts_a_pause() -> None:
    """A process that is asked to stop does not wait for the end of a long pause."""
    stopping = asyncio.Event()

    async def attempt() -> None:
        raise OSError

    with pytest.raises(ConnectionError, match="stopped before"):
        async with asyncio.timeout(5):
            await retry(
                attempt,
                backoff=Backoff(3_600, 3_600),
                stopping=stopping,
                on_failure=lambda _error, _pause: stopping.set(),
            )


def test_pauses_double_up_to_the_limit() -> None:
    """With each failure the pause doubles; chance takes away at most half of it."""
    backoff = Backoff(1, 10)

    assert [backoff.pause(number, 1.0) for number in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert backoff.pause(1, 0.0) == 0.5


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True) | st.none())
def test_a_pause_is_within_its_bounds(failures: int, chance: float | None) -> None:
    """A pause is never nothing and never above the limit, however many failures there were."""
    assert 0.25 <= Backoff(0.5, 60).pause(failures, chance) <= 60
