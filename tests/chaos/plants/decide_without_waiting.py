"""A fault planted in purposewatch_auditor: it decides by the facts that it happens to know."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from purposewatch_auditor.__main__ import main
from purposewatch_auditor.facts import FactsLedger
from purposewatch_auditor.facts.writer import StateWriter

if TYPE_CHECKING:
    from collections.abc import Collection

_WINDOW_SECONDS = 0.7
"""Between reading statements and knowing them, so that a short run is sure to decide inside it."""


def plant() -> None:
    """Violate the rule that every fact counts that was acknowledged before its event."""
    apply = StateWriter.apply
    assert FactsLedger.catch_up is not None  # fails here, and not silently, if it is renamed

    async def at_once(self: FactsLedger, partitions: Collection[int]) -> None:
        """Wait for nothing but a state to look into."""
        while not set(partitions) <= self._writer.positions.keys():
            await asyncio.sleep(0.05)

    async def late(self: StateWriter, *arguments: Any) -> None:
        await asyncio.sleep(_WINDOW_SECONDS)
        await apply(self, *arguments)

    FactsLedger.catch_up = at_once  # type: ignore[method-assign]
    StateWriter.apply = late  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    plant()
    main()
