"""The statements of one fact, as its topic holds them."""

from datetime import datetime
from typing import TypeAlias

from purposewatch_contract.codec import FactKey, FastFactCodec, parse_fact_key
from purposewatch_policy import FactStatement, statement_in_force

_Subject: TypeAlias = tuple[str, str]
"""Pseudonym and controller."""


class FactHistory:
    """What was stated about one fact, of every subject; other records are passed over."""

    def __init__(self, fact: str, controller: str | None) -> None:
        """Without a controller, those of every one."""
        self._fact = fact
        self._controller = controller
        self._codec = FastFactCodec()
        self._stated: dict[_Subject, dict[FactKey, FactStatement]] = {}
        self.unreadable = 0
        """Records with a key of the fact and without a statement of it."""

    def add(self, key: bytes | None, value: bytes | None) -> None:
        """Take in a record. Of records with the same key the last one counts."""
        named = self._named(key)
        if named is None:
            return
        statements = self._stated.setdefault((named.subject, named.controller), {})
        if not value:
            statements.pop(named, None)
            return
        try:
            fact = self._codec.decode(value)
        except ValueError:  # pydantic's error is one
            self.unreadable += 1
            return
        statements[named] = FactStatement(
            value=fact.value,
            effective_from=fact.effective_from,
            until=fact.until,
            stated=fact.time,
            statement=fact.id,
            source=fact.source,
            evidence=fact.evidence,
        )

    def in_force(self, subject: str, controller: str, at: datetime) -> FactStatement | None:
        """The statement that counts at a time, also when it has expired."""
        return statement_in_force(self._stated.get((subject, controller), {}).values(), at)

    def __len__(self) -> int:
        """The number of statements."""
        return sum(map(len, self._stated.values()))

    def _named(self, key: bytes | None) -> FactKey | None:
        try:
            named = parse_fact_key(key or b"")
        except ValueError:
            return None
        is_wanted = named.fact == self._fact and self._controller in (None, named.controller)
        return named if is_wanted else None
