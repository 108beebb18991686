"""Find the record that ends the process again and again, without a database.

A process that dies by a record (a crash in native code, no memory left) leaves nothing behind but
what it had committed. So every commit carries a `Mark` in Kafka's own field for metadata. The next
owner of the partition sees from it that its predecessor did not leave in good order, goes on in
smaller steps, then record by record, and writes down each record before taking it in hand.
"""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

_SMALL_STEP = 32


class Step(IntEnum):
    """How many records of a partition are taken in hand at once."""

    NORMAL = 0
    SMALL = 1
    SINGLE = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands beside a partition's committed offset."""

    owner: str = ""
    """The process that is at work here; empty when it left in good order."""
    step: Step = Step.NORMAL
    until: int = 0
    """The first offset that is no longer under suspicion."""
    alone: int = 0
    """How often a process took the record at the committed offset in hand, and it alone, and has
    not come back."""

    def __str__(self) -> str:
        """Render as Kafka keeps it; empty when there is nothing to tell."""
        if not self.owner and self.step is Step.NORMAL:
            return ""
        return json.dumps(
            {"by": self.owner, "step": self.step, "until": self.until, "alone": self.alone},
            separators=(",", ":"),
        )

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read what Kafka has kept. What other tools may have written there means nothing."""
        try:
            fields = json.loads(text or "{}")
            return cls(
                owner=str(fields.get("by", "")),
                step=Step(fields.get("step", 0)),
                until=int(fields.get("until", 0)),
                alone=int(fields.get("alone", 0)),
            )
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()


class PoisonPillDetector:
    """The suspicion against the records of one partition, from its assignment on. Pure.

    INVARIANT: a record is condemned only after `deaths` processes in a row took it in hand alone
    and ended without leaving. A process killed for another reason, however often, has records
    finished between, or none in hand; either lifts what was held against a record. Only one that
    is killed while all wait for Kafka or a database to answer may count wrongly.
    """

    def __init__(self, mark: Mark, offset: int, *, owner: str, deaths: int, span: int) -> None:
        """Inherit from the `mark` at the committed `offset`; `span` is the largest batch."""
        self._owner = owner
        self._deaths = deaths
        self._offset = offset
        self._alone = 0 if mark.owner == owner else mark.alone  # we are alive
        self._inherited = self._alone
        self._step, self._until = mark.step, mark.until
        self._open = False
        if mark.owner not in ("", owner):
            self._suspect(mark, offset, span)

    def _suspect(self, mark: Mark, offset: int, span: int) -> None:
        if mark.step is Step.NORMAL or mark.until <= offset:
            self._step, self._until = Step.SMALL, offset + span
        elif mark.step is Step.SMALL:
            self._step, self._until = Step.SINGLE, min(mark.until, offset + _SMALL_STEP)

    def limit(self, offset: int) -> int | None:
        """How many records from `offset` on may be in hand, no others with them; None: any."""
        if self._step is Step.NORMAL or offset >= self._until:
            return None
        return _SMALL_STEP if self._step is Step.SMALL else 1

    def condemns(self, offset: int) -> int | None:
        """How many processes have ended with the record alone in hand, if that is enough."""
        guilty = offset == self._offset and self._inherited >= self._deaths
        return self._inherited if guilty and self.limit(offset) == 1 else None

    def before(self, offset: int) -> Mark | None:
        """What to commit at `offset` before the record there is taken in hand; None: nothing."""
        if offset != self._offset:
            self._offset, self._alone, self._inherited = offset, 0, 0
        single = self.limit(offset) == 1 and self.condemns(offset) is None
        if self._open and not single:
            return None
        self._open = True
        if single:
            self._alone = self._inherited + 1
        return self._mark(self._owner)

    def after(self, offset: int) -> Mark:
        """What to commit with `offset` once everything before it is finished."""
        self._offset, self._alone, self._inherited = offset, 0, 0
        if offset >= self._until:
            self._step, self._until = Step.NORMAL, 0
        return self._mark(self._owner)

    def survived(self) -> Mark | None:
        """The records in hand failed and the process lives: what to commit where it stood."""
        if not self._alone:
            return None
        if self.condemns(self._offset) is not None:
            return None  # it was not looked at
        self._alone = self._inherited = 0
        return self._mark(self._owner)

    def closed(self) -> tuple[int, Mark] | None:
        """What to commit, and where, when the process leaves the partition alive."""
        if not self._open:
            return None
        self._alone = self._inherited
        return self._offset, self._mark("")

    def _mark(self, owner: str) -> Mark:
        return Mark(owner, self._step, self._until, self._alone)
