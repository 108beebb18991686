"""SQL statements: which tables and columns they use, and to whose rows they are limited."""

from purposewatch_connect.sql.analysis import TableUse
from purposewatch_connect.sql.catalogue import NO_CATALOGUE, SYSTEM_SCHEMAS, Catalogue
from purposewatch_connect.sql.reader import NO_STATEMENT, ReadStatement, StatementReader
from purposewatch_connect.sql.scopes import UnparsedStatementError
from purposewatch_connect.sql.template import numbered, numbered_slot

__all__ = [
    "NO_CATALOGUE",
    "NO_STATEMENT",
    "SYSTEM_SCHEMAS",
    "Catalogue",
    "ReadStatement",
    "StatementReader",
    "TableUse",
    "UnparsedStatementError",
    "numbered",
    "numbered_slot",
]
