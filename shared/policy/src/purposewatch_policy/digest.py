"""Identifies a policy version by its content."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256

from purposewatch_policy.model import Policy
from purposewatch_policy.vocabulary import Vocabulary


def policy_digest(policy: Policy, vocabulary: Vocabulary) -> str:
    """Return the SHA-256 (hex) of a policy version together with its effective vocabulary.

    It depends on what the files say, not on how they are laid out: comments, the order of fields
    and the notation of timestamps make no difference. The order of statements and of the terms
    in them does, because decisions and explanations follow it. Which findings of `policy lint`
    the author accepted makes none either: that declares nothing.
    """
    declared = asdict(policy)
    for statement in declared["statements"]:
        del statement["accepted_findings"]
    content = {"policy": declared, "vocabulary": vocabulary.canonical()}
    canonical = json.dumps(
        content, default=_instant, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    return sha256(canonical.encode()).hexdigest()


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    message = f"a policy holds no {type(value).__name__}"
    raise TypeError(message)
