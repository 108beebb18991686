"""The identity of a flow, which the reporter and the command line compute alike."""

import hashlib
from collections.abc import Mapping

import msgspec

from purposewatch_policy import FlowTerms

FLOW_DIGEST_SIZE = 16
"""Bytes."""


def flow_digest(flow: FlowTerms, ledger: Mapping[str, bool | None]) -> bytes:
    """Return 128 bits that identify everything of an event that a decision can depend on.

    `ledger` holds the values of the facts that systems answer for, as the verdict states them.
    Neither the order of the data categories nor that of the facts matters.
    """
    content = (
        flow.controller,
        flow.role,
        flow.operation,
        flow.purpose,
        flow.recipient,
        sorted(flow.data_categories),
        flow.source,
        flow.location,
        flow.retention_days,
        flow.legal_basis,
        sorted(flow.facts.items()),
        sorted(ledger.items()),
    )
    return hashlib.blake2b(msgspec.json.encode(content), digest_size=FLOW_DIGEST_SIZE).digest()
