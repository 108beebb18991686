"""Chooses one statement out of several: the nearest miss, or the one that names closest.

The nearest miss may be any statement of a policy, so it is found by operations on whole sets: a few
for each dimension, whatever the length of the policy. Few statements cover the same flow, so these
are compared one by one.
"""

from collections.abc import Iterable
from typing import Final

from purposewatch_policy.statement_row import StatementRow

Sets = tuple[int, ...]
"""Some sets of statements."""

Lineages = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""A flow's category, purpose and recipient, each followed by what lies above it.

Of a fixed length, so that compiled code makes no object for it."""

_PLANES: Final = 4  # counts up to 15 failed dimensions; there are 10


def first(statements: int) -> int:
    """Return the first statement of a set that is not empty."""
    return (statements ^ (statements - 1)).bit_length() - 1


def nearest_miss(candidates: int, covering: Sets, paths: tuple[Sets, ...] = ()) -> int:
    """Return the candidate that fails the fewest dimensions; the set must not be empty.

    `covering` has for each dimension the statements that cover the flow in it, in the order of
    significance. Of several, it is the one that covers the earlier dimension; then the one in the
    earliest set of the first path, of the second, and so on; then the first.
    """
    if not candidates & (candidates - 1):
        return first(candidates)
    dividing = []
    passing_all = candidates
    for covered in covering:
        passing = candidates & covered
        if passing and passing != candidates:  # else it makes no difference between them
            dividing.append(passing)
            passing_all &= passing
    return closest_path(passing_all or _fewest_failures(candidates, dividing), paths)


def _fewest_failures(candidates: int, dividing: list[int]) -> int:
    """Return the candidates that are in the most sets; of them those in the earlier sets."""
    planes = [0] * _PLANES  # binary digits of the number of failures, each for all statements
    for passing in dividing:
        carry = candidates ^ passing
        for digit in range(_PLANES):
            planes[digit], carry = planes[digit] ^ carry, planes[digit] & carry
            if not carry:
                break
    remaining = candidates
    for plane in reversed(planes):
        if plane:
            remaining = remaining ^ (remaining & plane) or remaining
    for passing in dividing:
        remaining = remaining & passing or remaining
    return remaining


def closest_path(statements: int, paths: tuple[Sets, ...]) -> int:
    """Return the first in the earliest set of the first path, then of the second, and so on."""
    if statements & (statements - 1):
        for path in paths:
            for near in path:
                if nearer := statements & near:
                    statements = nearer
                    break
    return first(statements)


def closest_named(rows: Iterable[StatementRow], lineages: Lineages) -> tuple[StatementRow, int]:
    """Return which of some statements names the closest terms above a flow's, and how far above.

    There is at least one, and each covers the flow. Of several, it is the first in file order.
    """
    category, purpose, recipient = lineages
    closest: StatementRow | None = None
    shortest = 0
    for row in rows:
        distance = (
            _steps(row.categories, category)
            + _steps(row.purposes, purpose)
            + _steps(row.recipients, recipient)
        )
        if (
            closest is None
            or distance < shortest
            or (distance == shortest and row.number < closest.number)
        ):
            closest, shortest = row, distance
    if closest is None:
        message = "there is no statement"
        raise ValueError(message)
    return closest, shortest


def _steps(named: tuple[str, ...] | None, lineage: tuple[str, ...]) -> int:
    if named is None:  # counts as naming one root above all roots
        return len(lineage)
    step = 0
    while lineage[step] not in named:
        step += 1
    return step
