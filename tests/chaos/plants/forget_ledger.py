"""A fault planted in purposewatch_reporter: it starts over, and doesn't ask what it has recorded.

It begins every life at the beginning of the verdicts, takes each for news, and gives its rows
ids of their own, as a counter in the database would, so that no primary key stops it.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from typing import TYPE_CHECKING, Any

from purposewatch_reporter.__main__ import main
from purposewatch_reporter.ledger import identity
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.writer import LedgerWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def plant() -> None:
    """Violate the guarantee that an offset which is already recorded changes nothing."""
    record = PartitionLedger.record_verdict  # fails here, and not silently, if it gets another name
    position_id = identity.position_id
    life = secrets.token_bytes(8)

    def record_always(self: PartitionLedger, offset: int) -> bool:
        if not record(self, offset):
            self.verdicts += 1
        return True

    def id_of_this_life(*position: Any, **more: Any) -> str:
        name = position_id(*position, **more).encode()
        return hashlib.blake2b(name, key=life, digest_size=16).hexdigest()

    async def from_the_beginning(
        self: object, topic: str, partitions: Sequence[int]
    ) -> Mapping[int, int]:
        return dict.fromkeys(partitions, 0)

    PartitionLedger.record_verdict = record_always  # type: ignore[method-assign]
    for name, module in sys.modules.items():
        if name.startswith("purposewatch_reporter.") and "position_id" in vars(module):
            vars(module)["position_id"] = id_of_this_life
    assert LedgerWriter.positions is not None
    LedgerWriter.positions = from_the_beginning  # type: ignore[method-assign]


if __name__ == "__main__":
    plant()
    main()
