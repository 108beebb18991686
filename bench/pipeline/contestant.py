"""What is compared, and what is measured of each."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Figure:
    """One run of one contestant, from warm to finished."""

    events: int
    """Finished while the clock ran; those before it only warmed up."""
    wall_seconds: float
    cpu_seconds: float
    """Of all its processes with all their threads, in user and in kernel mode."""
    rss_bytes: int
    """Of all its processes together, at the end."""

    @property
    def per_second(self) -> float:
        """Events per second of wall clock."""
        return self.events / self.wall_seconds

    @property
    def per_cpu_second(self) -> float:
        """Events per second of processor time."""
        return self.events / self.cpu_seconds


class Contestant(Protocol):
    """Something that takes events in."""

    name: str
    """Its key in the figures."""
    title: str
    """What it is, in a few words, for the table."""

    async def run(self, events: int) -> Figure:
        """Start it on as many events as that, measure it, and leave nothing of it behind."""
