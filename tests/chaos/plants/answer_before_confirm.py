"""A fault planted in purposewatch_ingest: events are accepted before Kafka has confirmed them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from purposewatch_ingest.__main__ import main
from purposewatch_runtime.kafka import AcknowledgedProducer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from purposewatch_runtime.kafka import OutgoingRecord, Tombstone

_WINDOW_SECONDS = 0.5
"""Before anything is sent, so that a short run is sure to kill inside it."""


def plant() -> None:
    """Violate the guarantee that 202 is answered only for what Kafka acknowledged."""
    publish = AcknowledgedProducer.publish
    sending: set[asyncio.Task[None]] = set()

    async def later(
        self: AcknowledgedProducer, records: Sequence[OutgoingRecord | Tombstone]
    ) -> None:
        await asyncio.sleep(_WINDOW_SECONDS)
        with contextlib.suppress(Exception):
            await publish(self, records)

    async def publish_unconfirmed(
        self: AcknowledgedProducer, records: Sequence[OutgoingRecord | Tombstone]
    ) -> None:
        task = asyncio.create_task(later(self, records))
        sending.add(task)
        task.add_done_callback(sending.discard)

    AcknowledgedProducer.publish = publish_unconfirmed  # type: ignore[method-assign]


if __name__ == "__main__":
    plant()
    main()
