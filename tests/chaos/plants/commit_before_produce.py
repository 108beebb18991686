"""A fault planted in purposewatch_auditor: offsets are committed before the verdicts are out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from purposewatch_auditor.__main__ import main
from purposewatch_runtime.kafka import BatchConsumer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from purposewatch_runtime.kafka import Record

_WINDOW_SECONDS = 1.5
"""Between commit and verdicts, so that a short run is sure to kill inside it. Not for a record
alone: after crashes, an auditor takes many of them one by one."""


def plant() -> None:
    """Violate the rule that an offset is committed only after its verdict is acknowledged."""
    handle = BatchConsumer._on_batch  # fails here, and not silently, if it gets another name

    async def commit_first(self: BatchConsumer, message: object) -> None:
        records: Sequence[Record] = message.raw_message  # type: ignore[attr-defined]
        await self._commit(records)
        if len(records) > 1:
            await asyncio.sleep(_WINDOW_SECONDS)
        await handle(self, message)  # type: ignore[arg-type]

    BatchConsumer._on_batch = commit_first  # type: ignore[method-assign]


if __name__ == "__main__":
    plant()
    main()
