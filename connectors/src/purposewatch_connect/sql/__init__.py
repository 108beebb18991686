"""SQL statements: which tables and columns they use, and to whose rows they are limited."""

from purposewatch_connect.sql.analysis import TableUse, UnparsedStatementError
from purposewatch_connect.sql.catalogue import NO_CATALOGUE, Catalogue
from purposewatch_connect.sql.reader import NO_STATEMENT, ReadStatement, StatementReader

__all__ = [
    "NO_CATALOGUE",
    "NO_STATEMENT",
    "Catalogue",
    "ReadStatement",
    "StatementReader",
    "TableUse",
    "UnparsedStatementError",
]
