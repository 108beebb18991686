"""SQLite takes what PostgreSQL refuses: so that is looked for before a statement runs."""

from typing import Any


def refuse_what_postgresql_refuses(_: Any, __: Any, ___: Any, parameters: Any, *____: Any) -> None:
    """Check every value that is bound; a listener of SQLAlchemy's `before_cursor_execute`."""
    for row in parameters if isinstance(parameters, list) else [parameters]:
        for value in row.values() if isinstance(row, dict) else row:
            if isinstance(value, str):
                assert "\0" not in value
                value.encode()
            elif isinstance(value, int):
                assert -(2**63) <= value < 2**63
