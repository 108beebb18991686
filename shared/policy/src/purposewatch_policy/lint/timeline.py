"""Finds times at which no version of a policy is in force. Overlaps are already load errors."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from purposewatch_policy.lint.finding import Finding, Related, Severity
from purposewatch_policy.lint.rules import VERSION_GAP
from purposewatch_policy.lint.subject import Subject


def find_gaps(versions: Sequence[Subject]) -> Iterator[Finding]:
    """Yield the gaps between versions, which are given in the order of their time."""
    for earlier, later in pairwise(versions):
        until = earlier.compiled.until
        if until is not None and until < later.compiled.begins:
            yield Finding(
                rule=VERSION_GAP,
                severity=Severity.WARNING,
                at=earlier.field("in_force_until"),
                message=(
                    f"no version is in force from {until.isoformat()} until "
                    f"{later.compiled.begins.isoformat()}, when `{later.policy.version}` begins; "
                    "move one of the two times to the other"
                ),
                controller=earlier.policy.controller,
                version=earlier.policy.version,
                related=(Related(later.field("in_force_from"), "the next version begins"),),
            )
    if versions and (until := versions[-1].compiled.until) is not None:
        last = versions[-1]
        yield Finding(
            rule=VERSION_GAP,
            severity=Severity.NOTE,
            at=last.field("in_force_until"),
            message=(
                f"no version is in force from {until.isoformat()} on; add the version that "
                "follows, or leave `in_force_until` out"
            ),
            controller=last.policy.controller,
            version=last.policy.version,
        )
