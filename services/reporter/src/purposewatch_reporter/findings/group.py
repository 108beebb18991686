"""What makes two violations the same finding. Pure."""

import hashlib
import json
from functools import lru_cache
from typing import NamedTuple

UNKNOWN = "unknown"
"""The kind of a finding whose flow could not be judged."""

OTHER = "(other)"
"""Stands for any value in a finding that collects what is beyond the limit on findings."""


class Group(NamedTuple):
    """The flow that a finding is about; equal flows are one finding."""

    controller: str
    role: str
    kind: str
    """The data category's kind, or `unknown`."""
    data_category: str
    purpose: str
    recipient: str
    publisher: str

    @property
    def fingerprint(self) -> str:
        """128 bits in hex, the same in every process and version."""
        return digest(*self)

    def overflow(self) -> "Group":
        """The one finding of the same kind that takes what is beyond the limit."""
        return Group(OTHER, OTHER, self.kind, OTHER, OTHER, OTHER, OTHER)


@lru_cache(maxsize=8_192)
def digest(*values: str) -> str:
    """128 bits in hex for some texts in order."""
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
