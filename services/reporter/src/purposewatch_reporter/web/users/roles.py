"""What a user may do."""

from enum import StrEnum


class Role(StrEnum):
    """A viewer reads; an officer also triages."""

    VIEWER = "viewer"
    OFFICER = "officer"

    def may(self, needed: "Role") -> bool:
        """Whether this role includes the needed one."""
        return self is Role.OFFICER or needed is Role.VIEWER
