"""Remembers what texts were read as, within a budget."""

from typing import Generic, TypeVar

T = TypeVar("T")

BUDGET_BYTES = 8 * 1024 * 1024
"""Of text that one memory keeps: thousands of flows."""

_OVERHEAD_BYTES = 256


class BoundedCache(Generic[T]):
    """What texts were read as. When the budget is spent it is emptied, so that it never grows.

    Whoever sends ever new texts gets the speed of reading each.
    """

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._budget = budget
        self._spent = 0
        self._known: dict[str | bytes, T] = {}
        self.get = self._known.get
        """What the text was read as, or `None`."""

    def keep(self, text: str | bytes, value: T, *, beside: int = 0) -> None:
        """Remember; the value must never be changed afterwards.

        `beside` is the size of other text that the value holds.
        """
        size = len(text) + beside + _OVERHEAD_BYTES
        self._spent += size
        if self._spent > self._budget:
            self._known.clear()
            self._spent = size
        self._known[text] = value
