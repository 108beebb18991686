"""The one way to try again: exponential back-off with jitter, on tenacity."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    stop_never,
)

__all__ = ["Backoff", "retry"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double up to a limit, each between half and the whole of its length.

    The random part keeps several processes from coming back at the same moment.
    """

    first_seconds: float
    last_seconds: float

    def pause(self, failures: int, chance: float | None = None) -> float:
        """Seconds to wait after that many failures in a row (1 or more).

        `chance`, in [0, 1), sets the random part; without it, it is drawn.
        """
        if chance is None:
            chance = random.random()  # noqa: S311 - spreads load, protects nothing
        doubled = self.first_seconds * 2.0 ** min(failures - 1, 60)
        return min(doubled, self.last_seconds) * (0.5 + chance / 2)


async def retry(  # noqa: PLR0913 - one call says everything about one retry
    attempt: Callable[[], Awaitable[T]],
    *,
    backoff: Backoff,
    on_failure: Callable[[BaseException, float], None] = lambda _error, _pause: None,
    on: type[Exception] = Exception,
    fatal: type[Exception] | tuple[type[Exception], ...] = (),
    attempts: int | None = None,
    stopping: asyncio.Event | None = None,
) -> T:
    """Return what `attempt` returns, as soon as it returns.

    `on_failure` gets every error that is followed by another attempt, and the seconds until then.
    Raises at once an error that is `fatal` or not one of `on`, the last error after `attempts` of
    them, and `ConnectionError` as soon as `stopping` is set, which also interrupts an attempt.
    """

    def report(state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        if error is not None:
            on_failure(error, state.upcoming_sleep)

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(on) & retry_if_not_exception_type(fatal),
        wait=lambda state: backoff.pause(state.attempt_number),
        stop=stop_never if attempts is None else stop_after_attempt(attempts),
        before_sleep=report,
        sleep=asyncio.sleep,
        reraise=True,
    )
    if stopping is None:
        return await retrying(attempt)
    running: asyncio.Future[T] = asyncio.ensure_future(retrying(attempt))
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        if running.done() and not running.cancelled():
            return running.result()
    finally:
        running.cancel()
        stopped.cancel()
    message = "stopped before it succeeded"
    raise ConnectionError(message)
