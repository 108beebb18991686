"""Reads statements of facts from a file: a ledger for whoever decides without services."""

import json
from bisect import insort
from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, ValidationError

from purposewatch_policy.fact_ledger import LedgerValues
from purposewatch_policy.fact_statement import FactStatement, statement_in_force
from purposewatch_policy.flow import Controller, Term
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.yaml_reader import (
    Fields,
    InvalidSourceError,
    Location,
    SourceError,
    did_you_mean,
    read_mapping,
)

_YAML = frozenset({".yaml", ".yml"})
_ENVELOPE = ("id", "source", "time")
_FACT_TYPE = "purposewatch.fact.v1"

_Key = tuple[str, str]


class _Stated(BaseModel):
    """One statement: the `data` of a message, with what counts of the message around it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    controller: Controller
    subject: Annotated[str, Field(min_length=1)]
    fact: Term
    value: StrictBool
    effective_from: AwareDatetime
    until: AwareDatetime | None = None
    evidence: str | None = None
    time: AwareDatetime
    id: str
    source: str


class StatedFacts:
    """What some statements say about the facts of data subjects."""

    def __init__(self) -> None:
        self._statements: dict[_Key, dict[str, list[FactStatement]]] = {}
        self.number = 0
        """How many statements there are."""

    def add(self, controller: str, subject: str, fact: str, statement: FactStatement) -> None:
        """Add a statement of a fact about a subject, named as events name it."""
        facts = self._statements.setdefault((controller, subject), {})
        insort(facts.setdefault(fact, []), statement, key=attrgetter("rank"))
        self.number += 1

    def at(self, controller: str, subject: str, at: datetime) -> LedgerValues:
        """Return what is in force about a subject at a time (with zone)."""
        values: dict[str, bool | None] = {}
        for fact, statements in self._statements.get((controller, subject), {}).items():
            found = statement_in_force(statements, at)
            values[fact] = None if found is None else found.holds_at(at)
        return values


def load_stated_facts(path: Path, policies: PolicySet) -> StatedFacts:
    """Read a YAML file with a list `facts`, or JSON with one statement on each line.

    A statement is the `data` of a message that states a fact, or the whole message. Raises
    `InvalidSourceError` with every fault, such as a fact that the controller's vocabulary leaves
    to publishers.
    """
    errors: list[SourceError] = []
    stated = StatedFacts()
    documents = _yaml(path, errors) if path.suffix in _YAML else _json_lines(path, errors)
    for number, (at, document) in enumerate(documents, 1):
        statement = _statement(at, document, number, errors)
        if statement is not None and _is_ledgers(at, statement, policies, errors):
            stated.add(
                statement.controller,
                statement.subject,
                statement.fact,
                FactStatement(
                    statement.value,
                    statement.effective_from,
                    statement.until,
                    statement.time,
                    statement.id,
                    statement.source,
                    statement.evidence,
                ),
            )
    if errors:
        raise InvalidSourceError(errors)
    return stated


def _yaml(path: Path, errors: list[SourceError]) -> Iterator[tuple[Location, object]]:
    root = read_mapping(path, errors)
    if root is not None:
        for node in Fields(root, ("facts",), "a file of statements", errors).items("facts"):
            yield node.at, node.plain()


def _json_lines(path: Path, errors: list[SourceError]) -> Iterator[tuple[Location, object]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                at = Location(str(path), number)
                if line.strip():
                    try:
                        yield at, json.loads(line)
                    except ValueError:
                        errors.append(at.error("is not valid JSON; put one statement on each line"))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        errors.append(Location(str(path)).error(f"cannot be read: {reason}"))
    except UnicodeDecodeError:
        errors.append(Location(str(path)).error("is not UTF-8; save the file in that encoding"))


def _statement(
    at: Location, document: object, number: int, errors: list[SourceError]
) -> _Stated | None:
    if not isinstance(document, dict):
        errors.append(at.error("a statement must be an object with `fact`, `value` and others"))
        return None
    fields = _fields(document, number)
    try:
        stated = _Stated.model_validate(fields)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in fault["loc"])
            errors.append(at.error(f"`{name}`: {fault['msg'].lower()}"))
        return None
    if stated.until is not None and stated.until <= stated.effective_from:
        errors.append(at.error("`until` is not after `effective_from`; correct one of them"))
        return None
    return stated


def _fields(document: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the fields of a statement, whether it is a whole message or its data alone."""
    fields = dict(document)
    if isinstance(document.get("data"), dict):
        named = {name: document[name] for name in _ENVELOPE if name in document}
        fields = {**document["data"], **named}
        if document.get("type") != _FACT_TYPE:
            fields["type"] = document.get("type")
    if "subject_id" in fields and "subject" not in fields:
        fields["subject"] = fields.pop("subject_id")
    fields.setdefault("time", fields.get("effective_from"))
    fields.setdefault("effective_from", fields.get("time"))
    fields.setdefault("id", f"statement-{number}")
    fields.setdefault("source", "/file")
    return fields


def _is_ledgers(
    at: Location, stated: _Stated, policies: PolicySet, errors: list[SourceError]
) -> bool:
    """Whether the controller's vocabulary has the fact, and leaves it to the ledger."""
    vocabulary = policies.vocabularies.get(stated.controller)
    if vocabulary is None:
        hint = did_you_mean(stated.controller, policies.controllers)
        errors.append(at.error(f"there is no policy of `{stated.controller}`{hint}"))
    elif stated.fact not in vocabulary.facts:
        hint = did_you_mean(stated.fact, vocabulary.facts)
        errors.append(at.error(f"`{stated.fact}` is not a fact of `{stated.controller}`{hint}"))
    elif stated.fact not in vocabulary.ledger_facts:
        message = (
            f"events state `{stated.fact}` themselves: its authority is the publisher; remove the "
            "statement"
        )
        errors.append(at.error(message))
    else:
        return True
    return False
