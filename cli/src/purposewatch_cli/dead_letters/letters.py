"""Dead letters as the commands handle them: each has a position, and maybe a disposition."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from purposewatch_contract import DeadLetter, Disposition, ErrorClass

_POSITION = re.compile(r"(\d{1,9})/(\d{1,18})")


@dataclass(frozen=True, slots=True, order=True)
class LetterPosition:
    """Position of a dead letter in the dead-letters topic, by which the commands name it."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """Render as `partition/offset`."""
        return f"{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "LetterPosition":
        """Read `partition/offset`; raises `ValueError` with what to write instead."""
        match = _POSITION.fullmatch(text)
        if match is None:
            message = f"`{text}` is not a dead letter; write `partition/offset` as `list` shows it"
            raise ValueError(message)
        return cls(int(match[1]), int(match[2]))


Dispositions: TypeAlias = Mapping[LetterPosition, Disposition]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, its position, and what was done with it."""

    position: LetterPosition
    content: DeadLetter
    disposition: Disposition | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects dead letters; every given field must match."""

    error_class: ErrorClass | None = None
    consumer: str | None = None
    topic: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it matches every dead letter."""
        return self == Filter()

    def matches(self, letter: DeadLetter) -> bool:
        """Whether the dead letter matches; the topic may be named with or without its prefix."""
        topic = letter.position.topic
        return (
            (self.error_class is None or letter.error_class is self.error_class)
            and (self.consumer is None or letter.consumer == self.consumer)
            and (self.topic is None or topic == self.topic or topic.endswith(f".{self.topic}"))
            and (self.since is None or letter.failed_time >= self.since)
            and (self.until is None or letter.failed_time < self.until)
        )
