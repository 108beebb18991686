"""What the attributes of a span or log record say: the semantic conventions, and our own.

Stable conventions for databases, HTTP, messaging and object storage are read, and the names that
they had before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from purposewatch_connect.mapping import Action, Terms
from purposewatch_connect.sql import (
    NO_CATALOGUE,
    SYSTEM_SCHEMAS,
    StatementReader,
    UnparsedStatementError,
    numbered_slot,
)
from purposewatch_policy import MAX_FACTS, MAX_RETENTION_DAYS

PREFIX = "purposewatch."

_FACT = f"{PREFIX}fact."
_TEXT_TERMS = (
    *("controller", "role", "purpose", "recipient", "operation"),
    *("source", "location", "legal_basis"),
)
_WRITES = (
    *("insert", "update", "upsert", "put", "set", "write", "create", "replace", "save", "merge"),
    *("copy", "upload"),
)
_MAX_DIGITS = 5
_QUERY_PARAMETER = "db.query.parameter."
_INDEX = re.compile(r"[0-9]{1,4}")
_POSTGRES = "postgres"
_DIALECTS = {
    **dict.fromkeys(("postgresql", "cockroachdb"), _POSTGRES),
    **dict.fromkeys(("mysql", "mariadb"), "mysql"),
    **dict.fromkeys(("microsoft.sql_server", "mssql"), "tsql"),
    **dict.fromkeys(("oracle.db", "oracle"), "oracle"),
    **{name: name for name in ("sqlite", "snowflake", "trino", "clickhouse", "redshift")},
    "other_sql": "",
}
"""The grammar of each database system whose statements are parsed."""
_DELETES = ("delete", "remove", "del", "drop", "truncate")


@dataclass(frozen=True, slots=True)
class Use:
    """What a span or log record used: a dataset, a host, or what it states itself."""

    action: Action = Action.READ
    dataset: str | None = None
    columns: tuple[str, ...] | None = None
    host: str | None = None
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label: str | None = None
    is_unparsed: bool = False
    """Whether there is a statement that can't be parsed, and nothing else says what was used."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a span or log record states about an access by `purposewatch.*` attributes."""

    terms: Terms
    categories: tuple[str, ...]
    subject_id: str | None
    is_faulty: bool = False
    """Whether an attribute can't be read."""


def states(attributes: Mapping[str, str]) -> bool:
    """Whether a record asks for an event of its own."""
    return f"{PREFIX}data_categories" in attributes


def statement_of(attributes: Mapping[str, str]) -> Statement:
    """Read the `purposewatch.*` attributes."""
    texts = {name: attributes.get(PREFIX + name) for name in _TEXT_TERMS}
    days = attributes.get(f"{PREFIX}retention_days")
    facts = {
        name.removeprefix(_FACT): value
        for name, value in attributes.items()
        if name.startswith(_FACT)
    }
    categories = attributes.get(f"{PREFIX}data_categories", "").split(",")
    is_faulty = (
        len(facts) > MAX_FACTS
        or any(value not in ("true", "false") for value in facts.values())
        or not (days is None or _is_retention(days))
    )
    return Statement(
        Terms(
            **texts,
            retention_days=None if days is None or is_faulty else int(days),
            facts={name: value == "true" for name, value in facts.items()} or None,
        ),
        tuple(filter(None, map(str.strip, categories))),
        attributes.get(f"{PREFIX}subject_id"),
        is_faulty,
    )


def _is_retention(days: str) -> bool:
    is_number = days.isascii() and days.isdecimal() and len(days) <= _MAX_DIGITS
    return is_number and int(days) <= MAX_RETENTION_DAYS


class UseReader:
    """Reads what a record used, by the semantic conventions."""

    def __init__(self) -> None:
        self._statements: dict[str, StatementReader] = {}

    def uses(self, attributes: Mapping[str, str], *, is_client: bool) -> list[Use]:
        """Return what the record used; nothing if it is about something else."""
        if "db.system.name" in attributes or "db.system" in attributes:
            return self._database(attributes)
        if "messaging.destination.name" in attributes:
            return [_message(attributes)]
        if "aws.s3.bucket" in attributes:
            return [_object(attributes)]
        if is_client and ("http.request.method" in attributes or "http.method" in attributes):
            return [Use(Action.SEND, host=_host(attributes))]
        return []

    def _database(self, attributes: Mapping[str, str]) -> list[Use]:
        system = _first(attributes, "db.system.name", "db.system")
        # `db.namespace` of PostgreSQL and SQL Server is `database|schema`.
        namespace = _first(attributes, "db.namespace", "db.name").replace("|", ".")
        collection = _first(
            attributes, "db.collection.name", "db.sql.table", "db.mongodb.collection"
        )
        text = _first(attributes, "db.query.text", "db.statement")
        found = None
        if text and system in _DIALECTS:
            found = self._statement(text, _DIALECTS[system], namespace, attributes)
        if found is not None:
            return found
        name = ".".join(filter(None, (namespace, collection))) or system
        if text and not collection:
            return [Use(dataset=name, is_unparsed=True)]
        action = _action(_first(attributes, "db.operation.name", "db.operation"))
        return [Use(action, dataset=name)]

    def _statement(
        self, text: str, dialect: str, namespace: str, attributes: Mapping[str, str]
    ) -> list[Use] | None:
        """What a statement uses; `None` if it can't be parsed."""
        database, _, schema = namespace.partition(".")
        if dialect == _POSTGRES:
            schema = schema or "public"
        reader = self._statements.setdefault(dialect, StatementReader(dialect))
        try:
            read = reader.read(text, NO_CATALOGUE, (schema,) if schema else ())
        except UnparsedStatementError:
            return None
        parameters = _parameters(attributes)
        return [
            Use(
                use.action,
                use.table if use.table.startswith(f"{database}.") else f"{database}.{use.table}",
                use.columns,
                subjects=read.subjects(use, parameters),
            )
            for use in read.uses
            if not use.table.startswith(SYSTEM_SCHEMAS)
        ]


def _parameters(attributes: Mapping[str, str]) -> dict[str, str | None]:
    """The values of `db.query.parameter.<name>`; a number counts from 0."""
    found: dict[str, str | None] = {}
    for name, value in attributes.items():
        if name.startswith(_QUERY_PARAMETER):
            key = name.removeprefix(_QUERY_PARAMETER)
            found[numbered_slot(int(key) + 1) if _INDEX.fullmatch(key) else key] = value
    return found


def _first(attributes: Mapping[str, str], *names: str) -> str:
    return next((attributes[name] for name in names if attributes.get(name)), "")


def _action(operation: str) -> Action:
    """What an operation does; one that is not known is taken for a read."""
    operation = operation.casefold()
    if operation.startswith(_DELETES):
        return Action.DELETE
    return Action.WRITE if operation.startswith(_WRITES) else Action.READ


def _message(attributes: Mapping[str, str]) -> Use:
    kind = _first(attributes, "messaging.operation.type", "messaging.operation")
    system = attributes.get("messaging.system", "messaging")
    name = f"{system}://{attributes['messaging.destination.name']}"
    return Use(Action.WRITE if kind in ("send", "publish", "create") else Action.READ, dataset=name)


def _object(attributes: Mapping[str, str]) -> Use:
    bucket = f"s3://{attributes['aws.s3.bucket']}"
    name = f"{bucket}/{attributes.get('aws.s3.key', '')}"
    method = _first(attributes, "rpc.method").rpartition("/")[2]
    return Use(_action(method), dataset=name, label=bucket)


def _host(attributes: Mapping[str, str]) -> str:
    named = _first(attributes, "server.address", "net.peer.name")
    if named:
        return named
    try:
        return urlsplit(_first(attributes, "url.full", "http.url")).hostname or "(unknown host)"
    except ValueError:
        return "(unknown host)"
