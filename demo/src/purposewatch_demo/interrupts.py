"""What Ctrl-C means: first "finish", then "stop at once"."""

import asyncio
import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns signals into the end of feeding, or of the whole task.

    Before `begin_gently` the first signal cancels the task; after it the first sets `ending` and
    the second cancels. Later ones do nothing: clearing up must not be cut short.
    """

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self._gently = False
        self._cancelled = False
        self._task: asyncio.Task[object] | None = None

    def take(self) -> None:
        """Handle signals for the current task from now on."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.interrupt)

    def begin_gently(self) -> None:
        """From now on the first signal only ends the feeding."""
        self._gently = True

    def interrupt(self) -> None:
        """Act on one signal."""
        if self._gently and not self.ending.is_set():
            self.ending.set()
        elif not self._cancelled and self._task is not None:
            self._cancelled = True
            self._task.cancel()
