"""Carries the defaults of the publisher to FastStream's subscribers, on any broker."""

from collections.abc import Awaitable, Callable
from typing import Any

from faststream import BaseMiddleware
from faststream.message import StreamMessage
from faststream.response import PublishCommand

import purposewatch_client as purposewatch
from purposewatch_client.integrations.propagation import HEADER, decode, encode


class PurposewatchMiddleware(BaseMiddleware):
    """Adds the defaults to published messages, and sets them while one is handled.

    `KafkaBroker(middlewares=[PurposewatchMiddleware])`.
    """

    async def publish_scope(
        self, call_next: Callable[[PublishCommand], Awaitable[Any]], cmd: PublishCommand
    ) -> Any:
        """Add the header to a message."""
        cmd.headers.setdefault(HEADER, encode())
        return await call_next(cmd)

    async def consume_scope(
        self,
        call_next: Callable[[StreamMessage[Any]], Awaitable[Any]],
        msg: StreamMessage[Any],
    ) -> Any:
        """Handle a message with the defaults that it carries."""
        with purposewatch.defaults(**decode(msg.headers.get(HEADER))):
            return await call_next(msg)
