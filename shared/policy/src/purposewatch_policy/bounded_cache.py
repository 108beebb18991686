"""One cache for everything that is cheap to make again."""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values by key, within a budget of cost: entries, bytes, or whatever the caller counts.

    The cache is emptied when the budget is spent, so that neither memory nor the time of an access
    grows. A caller whose keys never repeat pays for making each value, and little more.
    """

    __slots__ = ("_budget", "_entries", "_spent", "get")

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._spent = 0
        self._entries: dict[K, V] = {}
        self.get = self._entries.get
        """The value of a key, or `None`."""

    def put(self, key: K, value: V, cost: int = 1) -> None:
        """Add a value, which must never be changed afterwards."""
        self._spent += cost
        if self._spent > self._budget:
            self._entries.clear()
            self._spent = cost
        self._entries[key] = value
