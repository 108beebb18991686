"""The query plans of the statements that the page sends."""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from bench.page.filling import TABLES
from purposewatch_reporter.store.engine import Database


class Plans:
    """Looks at the plan of every statement that the page sends."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}

    def install(self) -> None:
        """Note every statement with its parameters, each text once."""

        @event.listens_for(Engine, "before_cursor_execute")
        def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            if statement.startswith(("SELECT", "WITH")) and "violation" in statement:
                self.sent.setdefault(statement, parameters)

    async def whole_tables(self, database: Database) -> list[str]:
        """Plans that read a table of violations from end to end."""
        found = []
        for statement, parameters in list(self.sent.items()):
            async with database.reading() as connection:
                plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                lines = [row[0] for row in plan]
            if any(re.search(rf"Seq Scan on ({'|'.join(TABLES)})\b", line) for line in lines):
                found.append("\n".join([statement, *lines]))
        return found

    async def examples(self, database: Database) -> Iterator[str]:
        """The plans of the statements that find a page, shortened."""
        shown = []
        for mark in ("WITH heads", "keys"):
            for statement, parameters in self.sent.items():
                if mark in statement and "UNION" not in statement:
                    async with database.reading() as connection:
                        plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                        shown.append("\n".join([f"-- {mark}", *(row[0] for row in plan)]))
                    break
        return iter(shown)
