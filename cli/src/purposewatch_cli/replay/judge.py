"""Judge verdicts again with the statements of a fact that are known now. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from purposewatch_cli.replay.history import FactHistory
from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import CachedDecider, Decision, FactStatement, PolicySet

_Outcome: TypeAlias = tuple[tuple[str, str, str | None], ...]
"""Of each data category: its name, outcome and kind."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An event that would be decided otherwise now."""

    before: DecodedVerdict
    after: Decision
    used: bool | None
    """The value of the fact that the verdict used; `None` if it was not stated."""
    now: bool | None
    statement: FactStatement | None
    """The one that counts now at the event's time; `None` if there is none any more."""

    @property
    def is_other_policy(self) -> bool:
        """Whether the policy or its vocabulary has changed as well."""
        digest = None if self.before.policy is None else self.before.policy.digest
        return digest != self.after.policy_digest


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are judged again."""

    fact: str
    controller: str | None = None
    since: datetime | None = None

    def includes(self, verdict: DecodedVerdict) -> bool:
        """Whether the verdict is about such an event."""
        return (self.controller is None or verdict.data.controller == self.controller) and (
            self.since is None or verdict.event_time >= self.since
        )


class Rejudge:
    """Judges each event once, and counts."""

    def __init__(self, wanted: Wanted, history: FactHistory, policies: PolicySet) -> None:
        self._wanted = wanted
        self._history = history
        self._decider = CachedDecider(policies)
        self._seen: set[bytes] = set()
        self.dependent = 0
        """Events whose verdict depended on the fact."""
        self.affected = 0
        """Of these, those whose verdict used another value than the one that counts now."""
        self.different = 0
        """Of these, those that would be decided otherwise."""

    def judge(self, verdict: DecodedVerdict) -> Difference | None:
        """Judge the event of a verdict again; return the difference, if there is one.

        All other facts keep the values that the verdict used. A repeated verdict, or a verdict
        about a repeated event, is passed over.
        """
        found = next((each for each in verdict.facts if each.fact == self._wanted.fact), None)
        if found is None or not self._wanted.includes(verdict):
            return None
        name = _hash(verdict.event_source, verdict.event_id)
        if name in self._seen:
            return None
        self._seen.add(name)
        self.dependent += 1
        data, at = verdict.data, verdict.event_time
        statement = self._history.in_force(verdict.subject, data.controller, at)
        now = None if statement is None else statement.holds_at(at)
        if now is found.value:
            return None
        self.affected += 1
        ledger = {each.fact: each.value for each in verdict.facts} | {self._wanted.fact: now}
        after = self._decider.decide(data, at, ledger)
        if _outcome(verdict) == _outcome(after):
            return None
        self.different += 1
        return Difference(verdict, after, found.value, now, statement)


def _hash(source: str, event_id: str) -> bytes:
    return hashlib.blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest()


def _outcome(decided: DecodedVerdict | Decision) -> _Outcome:
    return tuple(
        (each.data_category, str(each.outcome), None if each.kind is None else str(each.kind))
        for each in decided.categories
    )
