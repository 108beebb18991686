"""Spools that keep what they are given."""

from purposewatch_connect.mapping import Access, Gap
from purposewatch_connect.pipeline import SpoolError


class MemorySpool:
    """Keeps accesses, or refuses all while it is full."""

    name = "spool"

    def __init__(self) -> None:
        self.accesses: list[Access] = []
        self.gaps: list[Gap] = []
        self.is_full = False

    def append(self, access: Access) -> None:
        """Take an access."""
        if self.is_full:
            message = "the spool is full"
            raise SpoolError(message)
        self.accesses.append(access)

    def append_gap(self, gap: Gap) -> None:
        """Take a gap."""
        if self.is_full:
            message = "the spool is full"
            raise SpoolError(message)
        self.gaps.append(gap)

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""
