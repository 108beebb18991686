"""Reads how long data may be kept, or may not be kept."""

from typing import NamedTuple

from purposewatch_policy.flow import MAX_RETENTION_DAYS
from purposewatch_policy.yaml_reader import Fields, SourceError

_ON_PERMIT = ("at_least", "at_most")
_ON_PROHIBITION = ("more_than", "at_most")


class Retention(NamedTuple):
    """The lengths that a statement covers, in days."""

    at_least: int | None = None
    at_most: int | None = None


def read_retention(fields: Fields, errors: list[SourceError], *, prohibits: bool) -> Retention:
    """Read the `retention_days` of a statement: a number is the most that a permit covers.

    A prohibition has to say whether it prohibits longer or shorter times than a number.
    """
    if fields.states_mapping("retention_days"):
        return _read_span(fields, errors, prohibits=prohibits)
    days = fields.integer("retention_days", 0, MAX_RETENTION_DAYS)
    if days is not None and prohibits:
        message = (
            "a prohibition has to say which `retention_days` it prohibits; "
            f"write `{{more_than: {days}}}`, or `{{at_most: {days}}}`"
        )
        fields.error(message, fields.location("retention_days"))
    return Retention(at_most=days)


def _read_span(fields: Fields, errors: list[SourceError], *, prohibits: bool) -> Retention:
    node = fields.mapping("retention_days")
    if node is None:
        return Retention()
    known, of = (_ON_PROHIBITION, "prohibition") if prohibits else (_ON_PERMIT, "permit")
    span = Fields(node, known, f"the `retention_days` of a {of}", errors)
    at_most = span.integer("at_most", 0, MAX_RETENTION_DAYS)
    if prohibits:
        more_than = span.integer("more_than", 0, MAX_RETENTION_DAYS - 1)
        at_least = None if more_than is None else more_than + 1
    else:
        at_least = span.integer("at_least", 1, MAX_RETENTION_DAYS)
    if node.entries.keys() <= set(known) and not any(span.states(name) for name in known):
        span.error(f"`retention_days` is empty; state `{known[0]}`, `{known[1]}` or both")
    if at_least is not None and at_most is not None and at_least > at_most:
        message = f"no time meets both `{known[0]}` and `at_most`; correct one of them"
        span.error(message, span.location("at_most"))
    return Retention(at_least, at_most)
