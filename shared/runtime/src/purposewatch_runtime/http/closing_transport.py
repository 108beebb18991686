"""Closes connections so that the client gets the last response, and none stays open for long."""

import asyncio
from collections.abc import Callable
from typing import Any

LINGER_SECONDS = 1.0
LINGER_BYTES = 16 * 1024 * 1024


class ClosingTransport(asyncio.Transport):
    """A transport whose `close` is bounded, and considerate of a client that is still sending.

    Closing a socket that has unread data resets the connection, and a reset can destroy a response
    that the client has not read yet. So when `is_receiving()`, `close` ends the sending side first,
    and what still arrives is given to `discard`: for a second, and up to 16 MiB. Any other `close`
    waits at most `send_timeout` seconds for the client to read what was sent. TLS can't end one
    side only: its own closing does the same, in the time that the connection was given for it.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        send_timeout: float,
        is_receiving: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._send_timeout = send_timeout
        self._is_receiving = is_receiving
        self._is_closed = False
        self._discarded = 0

    def close(self) -> None:
        """Close; the connection ends now, or soon."""
        if self.is_closing():
            return
        self._is_closed = True
        if self._is_receiving() and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self._loop.call_later(LINGER_SECONDS, self._transport.abort)
        else:
            self._transport.close()
            if self._transport.get_write_buffer_size():
                self._loop.call_later(self._send_timeout, self._transport.abort)

    def discard(self, size: int) -> None:
        """So many bytes have arrived that nobody reads."""
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self._transport.abort()

    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called, or the client has closed."""
        return self._is_closed or self._transport.is_closing()

    def abort(self) -> None:
        """End the connection now, whatever was not sent."""
        self._is_closed = True
        self._transport.abort()

    def write(self, data: Any) -> None:
        """Send."""
        self._transport.write(data)

    def pause_reading(self) -> None:
        """Let the client wait."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known about the connection."""
        return self._transport.get_extra_info(name, default)
