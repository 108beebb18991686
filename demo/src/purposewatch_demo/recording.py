"""Somebody's own events from a file, as traffic for the demonstration."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from purposewatch_cli.check.lines import EventLine, read_lines
from purposewatch_contract import SubmittedEvent
from purposewatch_demo.flows import Transport
from purposewatch_demo.tally import Unforeseen
from purposewatch_demo.traffic import Batch, Item

_MAX_PUBLISHERS = 1_000


class UnusableRecordingError(Exception):
    """The file can't be fed; the message says why."""


class Recording:
    """A file with one submitted event on each line. Read as a stream, twice."""

    def __init__(self, path: Path) -> None:
        """Look through the file. Raises `UnusableRecordingError`."""
        self._path = path
        self.faulty = 0
        """Lines that hold no submitted event; they are not sent."""
        self._controllers: dict[str, set[str]] = defaultdict(set)
        try:
            for event in self._events():
                self._controllers[_publisher(event)].add(event.data.controller)
                if len(self._controllers) > _MAX_PUBLISHERS:
                    message = f"`{path}` names more than {_MAX_PUBLISHERS} publishers; split it"
                    raise UnusableRecordingError(message)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            message = f"can't read `{path}`: {reason}; name a file with one event on each line"
            raise UnusableRecordingError(message) from error
        if not self._controllers:
            message = (
                f"`{path}` holds no submitted event; `purposewatch check {path}` says what is wrong"
            )
            raise UnusableRecordingError(message)

    @property
    def controllers(self) -> Mapping[str, frozenset[str]]:
        """The controllers that each publisher's events are about."""
        return {name: frozenset(each) for name, each in self._controllers.items()}

    def batches(self, largest: int) -> Iterator[Batch]:
        """Yield the events in order, neighbours of one publisher together."""
        items: list[Item] = []
        publisher = ""
        for event in self._events():
            if items and (_publisher(event) != publisher or len(items) == largest):
                yield Batch(publisher, Transport.BATCH, tuple(items))
                items = []
            publisher = _publisher(event)
            body = event.model_dump_json(exclude_unset=True).encode()
            items.append(Item(body, Unforeseen()))
        if items:
            yield Batch(publisher, Transport.BATCH, tuple(items))

    def _events(self) -> Iterator[SubmittedEvent]:
        self.faulty = 0
        with self._path.open("rb") as stream:
            for line in read_lines(stream):
                if isinstance(line, EventLine) and isinstance(line.event, SubmittedEvent):
                    yield line.event
                else:
                    self.faulty += 1


def _publisher(event: SubmittedEvent) -> str:
    return event.source.split("/", 2)[1]
