"""What the attributes of a span or log record say: the semantic conventions, and our own.

Stable conventions for databases, HTTP, messaging and object storage are read, and the names that
they had before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from purposewatch_connect.mapping import Action, Terms
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


def uses_of(attributes: Mapping[str, str], *, is_client: bool) -> Iterator[Use]:
    """What the record used, by the semantic conventions. Nothing if it is about something else."""
    if "db.system.name" in attributes or "db.system" in attributes:
        yield from _database(attributes)
    elif "messaging.destination.name" in attributes:
        yield _message(attributes)
    elif "aws.s3.bucket" in attributes:
        yield _object(attributes)
    elif is_client and ("http.request.method" in attributes or "http.method" in attributes):
        yield Use(Action.SEND, host=_host(attributes))


def _first(attributes: Mapping[str, str], *names: str) -> str:
    return next((attributes[name] for name in names if attributes.get(name)), "")


def _database(attributes: Mapping[str, str]) -> Iterator[Use]:
    system = _first(attributes, "db.system.name", "db.system")
    # `db.namespace` of PostgreSQL and SQL Server is `database|schema`.
    namespace = _first(attributes, "db.namespace", "db.name").replace("|", ".")
    collection = _first(attributes, "db.collection.name", "db.sql.table", "db.mongodb.collection")
    action = _action(_first(attributes, "db.operation.name", "db.operation"))
    if collection or not _first(attributes, "db.query.text", "db.statement"):
        name = ".".join(filter(None, (namespace, collection)))
        yield Use(action, dataset=name or system)


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
