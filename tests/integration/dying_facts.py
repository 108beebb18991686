"""A stand-in for the auditor: the real one, but early writes of its state of facts end the process.

At once, as a crash in native code does: before the write is committed, or after, when nobody knows
yet that it is. It dies no more once the file exists that `DYING_UNTIL` names.
"""

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from purposewatch_auditor.__main__ import main
from purposewatch_auditor.facts.state import Change, FactState, Position

_STATUS = 139


def plant() -> None:
    """Let one of the first three writes end the process."""
    apply = FactState.apply
    until = Path(os.environ["DYING_UNTIL"])
    chance = random.Random()  # noqa: S311 - no secret
    left, before = chance.randint(1, 3), chance.random() < 0.5

    def dying(
        self: FactState, changes: Mapping[int, Sequence[Change]], positions: Mapping[int, Position]
    ) -> None:
        nonlocal left
        left -= bool(changes)
        dies = left <= 0 and not until.exists()
        if dies and before:
            os._exit(_STATUS)
        apply(self, changes, positions)
        if dies:
            os._exit(_STATUS)

    FactState.apply = dying  # type: ignore[method-assign]


if __name__ == "__main__":
    plant()
    main()
