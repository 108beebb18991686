"""What a picture of flows shows, before anything has a place."""

from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = 8
"""So many strands can be told apart by their colour; further ones begin again."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box in one of the three columns."""

    label: str
    notes: tuple[str, ...] = ()
    """Lines in small letters below the label."""
    is_public: bool = False
    """Whether it stands for the public, or a recipient that amounts to it."""


@dataclass(frozen=True, slots=True)
class Strand:
    """A line from a box of each column to the next, each given by its number from the top."""

    whose: int
    purpose: int
    recipient: int
    width: float
    colour: int
    """A number; see `COLOURS`."""
    title: str
    """What it is, in words, for whoever points at it."""
    is_dashed: bool = False
    is_alarming: bool = False
    """Whether it is drawn in the colour of an alarm instead of its own."""


@dataclass(frozen=True, slots=True)
class FlowMap:
    """Boxes in three columns and the strands between them, each from top to bottom."""

    language: str
    title: str
    """What a screen reader calls the picture."""
    heading: str
    note: str
    """A line below the heading."""
    column_headings: tuple[str, str, str]
    whose: Sequence[Box]
    purposes: Sequence[Box]
    recipients: Sequence[Box]
    strands: Sequence[Strand]
    legend: str
    outside_heading: str = ""
    """Stands above the first recipient outside the controller."""
    inside: int = 0
    """How many recipients are inside the controller; they come first."""
