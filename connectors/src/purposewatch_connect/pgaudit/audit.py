"""Entries of pgaudit become observations."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from purposewatch_connect.mapping import (
    Action,
    Gap,
    GapKind,
    Observation,
    Terms,
    make_gap,
)
from purposewatch_connect.named import NAMED_PATTERN, named
from purposewatch_connect.pgaudit.entries import LogEntry
from purposewatch_connect.sql import (
    NO_CATALOGUE,
    NO_STATEMENT,
    SYSTEM_SCHEMAS,
    Catalogue,
    ReadStatement,
    StatementReader,
    TableUse,
    UnparsedStatementError,
    numbered,
)

_MIN_FIELDS = 9
_ACCESSES = frozenset({"READ", "WRITE"})
_NOT_RUN = frozenset({"PREPARE", "DEALLOCATE", "DECLARE CURSOR"})
"""Commands that touch no rows; what they prepare is logged when it runs."""
_IN_COMMENT = re.compile(rf"purposewatch:\s*{NAMED_PATTERN}")


@dataclass(frozen=True, slots=True)
class Database:
    """What is known of one database and of the server's roles."""

    catalogue: Catalogue = NO_CATALOGUE
    role_comments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _AuditLine:
    """The fields of pgaudit that matter."""

    kind: str
    command: str
    object_type: str
    object_name: str
    statement: str
    parameters: Mapping[str, str | None]


class AuditReader:
    """Reads entries of one server."""

    def __init__(self, server: str) -> None:
        """`server` is part of every event's id: two servers may have equal session ids."""
        self._server = server
        self._statements: dict[str, StatementReader] = {}

    def read(
        self, entry: LogEntry, database: Database
    ) -> tuple[tuple[Observation, ...], tuple[Gap, ...]]:
        """Return what the entry says about accesses; nothing if it is about something else."""
        identity = f"pgaudit/{self._server}/{entry.session}/{entry.line}"
        line = _parse(entry.audit)
        if line is None:
            return (), (self._gap(GapKind.UNREADABLE_RECORD, entry, identity),)
        if line.kind not in _ACCESSES or line.command in _NOT_RUN:
            return (), ()
        statements = self._statements.setdefault(entry.database, StatementReader())
        try:
            read = statements.read(line.statement, database.catalogue, (entry.user, "public"))
        except UnparsedStatementError:
            if not line.object_name:
                return (), (self._gap(GapKind.UNPARSED_STATEMENT, entry, identity, line.command),)
            read = NO_STATEMENT
        services, purpose = named_services(entry, database.role_comments)
        return tuple(
            Observation(
                identity=f"{identity}/{number}",
                time=entry.time,
                action=use.action,
                services=services,
                dataset=f"{entry.database}.{use.table}",
                columns=use.columns,
                subjects=read.subjects(use, line.parameters),
                terms=Terms(purpose=purpose),
            )
            for number, use in enumerate(_uses(line, read, database.catalogue))
        ), ()

    @staticmethod
    def _gap(kind: GapKind, entry: LogEntry, identity: str, command: str = "") -> Gap:
        name = f"{entry.database}/{command}" if command else entry.database
        return make_gap(kind, name, identity=identity, time=entry.time)


def _parse(audit: str) -> _AuditLine | None:
    try:
        fields = next(csv.reader(io.StringIO(audit, newline=""), strict=True), [])
    except csv.Error:
        return None
    if len(fields) < _MIN_FIELDS:
        return None
    _, _, _, kind, command, object_type, object_name, statement, parameters = fields[:_MIN_FIELDS]
    return _AuditLine(kind, command, object_type, object_name, statement, _parameters(parameters))


def _parameters(text: str) -> dict[str, str | None]:
    """The values of `$1` and so on. An empty one may be null."""
    if text in ("<none>", "<not logged>"):
        return {}
    try:
        values = next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    except csv.Error:
        return {}
    return numbered(value or None for value in values)


def _uses(line: _AuditLine, read: ReadStatement, catalogue: Catalogue) -> Iterator[TableUse]:
    """The uses that this line stands for.

    With `pgaudit.log_relation` there is a line for each relation of the statement: for a view and
    for the tables behind it, and for the target of a write and for what it reads.
    """
    found = [use for use in read.uses if not use.table.startswith(SYSTEM_SCHEMAS)]
    if not line.object_name:
        yield from found
        return
    if line.object_name in catalogue.views or line.object_name.startswith(SYSTEM_SCHEMAS):
        return
    own = [use for use in found if use.table == line.object_name]
    if not any(use.table == line.object_name for use in read.uses):
        action = Action.READ if line.kind == "READ" else Action.WRITE
        yield TableUse(line.object_name, action, None)
    elif line.command in ("UPDATE", "DELETE"):
        yield from own
    else:
        yield from (use for use in own if (use.action is Action.READ) == (line.kind == "READ"))


def named_services(
    entry: LogEntry, role_comments: Mapping[str, str]
) -> tuple[tuple[str, ...], str | None]:
    """Return the names of the acting service, and the purpose if one is stated.

    `application_name` is `service` or `service:purpose`; the comment on the role may hold
    `purposewatch: service` or `purposewatch: service:purpose`; the last name is the role's own.
    """
    found = (
        named(entry.application),
        _IN_COMMENT.search(role_comments.get(entry.user, "")),
    )
    services = [match[1] for match in found if match]
    purposes = [match[2] for match in found if match and match[2]]
    return (*services, entry.user), purposes[0] if purposes else None
