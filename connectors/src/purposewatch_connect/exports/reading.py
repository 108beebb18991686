"""What a reader of exported files is, and what it returns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from purposewatch_connect.mapping import Gap, Observation


@dataclass(frozen=True, slots=True)
class Reading:
    """What one record says; neither means that it is about something else."""

    observations: tuple[Observation, ...] = ()
    gaps: tuple[Gap, ...] = ()


IGNORED = Reading()
"""What a record about something else says."""


class UnreadableFileError(Exception):
    """The file is not in the form that is expected of it. The message quotes nothing of it."""


Reader = Callable[[bytes], Iterator[Reading]]
"""Reads the content of one file, record by record. Raises `UnreadableFileError`."""
