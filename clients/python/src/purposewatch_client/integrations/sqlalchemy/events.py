"""The hooks on an engine."""

import re
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, TextClause, event

from purposewatch_client.gap_counter import GapKind, count_gap
from purposewatch_client.integrations.recording import never_failing, record_resolved
from purposewatch_client.integrations.sqlalchemy.statement import Access, accesses
from purposewatch_client.integrations.sqlalchemy.tables import TaggedTables

_INTEGRATION = "sqlalchemy"
_NO_ACCESS = re.compile(
    r"\s*(alter|analyze|comment|create|describe|drop|explain|pragma|show|vacuum)\b", re.IGNORECASE
)
"""Raw SQL about a table itself, as SQLAlchemy executes it to inspect the schema."""


def audit(engine: Any, source: Any, *, max_subjects: int = 1000) -> None:
    """Record what an engine's statements do with the tagged tables of `source`.

    `engine` may be asynchronous. `source` is the declarative base, its registry, or a `MetaData`.
    SELECT is `use` of the selected columns, INSERT and UPDATE are `store` of those that are set
    (and `use` of those in RETURNING), DELETE is `erase` of all. There is one event for each
    subject: those whose tagged column the statement compares with a value or sets, or else that of
    the context. Raw SQL that names a tagged table is a gap, and so are the subjects of one
    statement beyond `max_subjects`.
    """
    hooks = _Hooks(TaggedTables(source), max_subjects)
    synchronous: Engine = getattr(engine, "sync_engine", engine)
    event.listen(synchronous, "after_execute", hooks.after_execute)
    event.listen(synchronous, "after_cursor_execute", hooks.after_cursor_execute)


class _Hooks:
    def __init__(self, tables: TaggedTables, max_subjects: int) -> None:
        self._tables = tables
        self._max_subjects = max_subjects
        self._known: WeakKeyDictionary[Any, tuple[Access, ...]] = WeakKeyDictionary()

    def after_execute(
        self,
        _connection: Any,
        _element: Any,
        _multiparams: Any,
        _params: Any,
        _options: Any,
        result: Any,
    ) -> None:
        """Record what a statement of SQLAlchemy's did."""
        context = getattr(result, "context", None)
        compiled = getattr(context, "compiled", None)
        if compiled is None or isinstance(compiled.statement, TextClause):
            return
        with never_failing(_INTEGRATION, "statement"):
            found = self._known.get(compiled)
            if found is None:
                # the same compiled statement serves all executions, so this is done once for each
                found = self._known[compiled] = accesses(compiled, self._tables.tags)
            for access in found:
                self._record(access, context)

    def after_cursor_execute(
        self,
        _connection: Any,
        _cursor: Any,
        statement: str,
        _parameters: Any,
        context: Any,
        _executemany: bool,  # noqa: FBT001
    ) -> None:
        """Count raw SQL about tagged tables."""
        compiled = getattr(context, "compiled", None)
        if compiled is not None and not _is_text(compiled.statement):
            return
        if _NO_ACCESS.match(statement):
            return
        with never_failing(_INTEGRATION, "statement"):
            for table in self._tables.tags:
                if re.search(rf"\b{re.escape(table.name)}\b", statement, re.IGNORECASE):
                    count_gap(_INTEGRATION, GapKind.UNPARSED_STATEMENT, table.fullname)

    def _record(self, access: Access, context: Any) -> None:
        subjects = list(dict.fromkeys(access.subjects(context)))
        for subject in subjects[: self._max_subjects] or (None,):
            record_resolved(
                _INTEGRATION,
                access.table,
                operation=access.operation,
                categories=access.categories,
                subject=subject,
                role=access.role,
            )
        if (more := len(subjects) - self._max_subjects) > 0:
            count_gap(_INTEGRATION, GapKind.UNRESOLVED_SUBJECT, access.table, more)


def _is_text(statement: Any) -> bool:
    return isinstance(statement, TextClause) or isinstance(
        getattr(statement, "element", None), TextClause
    )
