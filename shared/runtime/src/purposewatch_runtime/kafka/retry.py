"""Try until it succeeds, or until nobody waits for it any more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def retry(
    attempt: Callable[[], Awaitable[T]],
    *,
    stopping: asyncio.Event,
    failed: Callable[[BaseException], None],
    first_seconds: float,
    last_seconds: float,
) -> T:
    """The result of `attempt`, tried with growing pauses; `failed` is told of every error.

    Raises `ConnectionError` as soon as `stopping` is set, also in the middle of an attempt.
    """
    pause = first_seconds
    stopped = asyncio.create_task(stopping.wait())
    try:
        while not stopping.is_set():
            task = asyncio.ensure_future(attempt())
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                task.cancel()
            elif (error := task.exception()) is None:
                return task.result()
            else:
                failed(error)
                await asyncio.wait((stopped,), timeout=pause)
                pause = min(pause * 2, last_seconds)
    finally:
        stopped.cancel()
    message = "stopped before it succeeded"
    raise ConnectionError(message)
