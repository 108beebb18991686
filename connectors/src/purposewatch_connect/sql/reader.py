"""Reads SQL statements: which tables they use, how, and whose rows."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from purposewatch_connect.sql.analysis import TableUse, uses_of
from purposewatch_connect.sql.catalogue import Catalogue
from purposewatch_connect.sql.pins import Slot
from purposewatch_connect.sql.scopes import Resolver, UnparsedStatementError
from purposewatch_connect.sql.template import Template, template_of
from purposewatch_policy import BoundedCache
from purposewatch_runtime.logs import get_logger

_CACHED_BYTES = 32 * 1024 * 1024
_MAX_STATEMENT = 100_000
_MAX_DEPTH = 250
_MAX_TABLES = 100
"""Analysing takes time that grows with their square. 250 conditions in a row are as deep."""
_PREFIX = re.compile(
    r"\s*(?:prepare\s+\S+\s*(?:\([^)]*\)\s*)?as"
    r"|declare\s+\S+\s.*?\bcursor\b.*?\bfor"
    r"|explain(?:\s*\([^)]*\)|\s+(?:analyze|verbose)\b)*)\s+",
    re.IGNORECASE | re.DOTALL,
)
_ARRAY_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)')
_NO_PARAMETERS: Mapping[str, str | None] = MappingProxyType({})

_log = get_logger(__name__)


def _values(
    template: Template, slot: Slot, parameters: Mapping[str, str | None]
) -> list[str | None]:
    if not slot.endswith("[]"):
        return [template.value_of(slot, parameters)]
    array = template.value_of(slot.removesuffix("[]"), parameters)
    if array is None or not array.startswith("{"):
        return [None]
    return [
        re.sub(r"\\(.)", r"\1", quoted) if quoted else plain.strip()
        for quoted, plain in _ARRAY_ITEM.findall(array)
    ]


@dataclass(frozen=True, slots=True)
class ReadStatement:
    """What one statement uses, with its values."""

    template: Template
    uses: tuple[TableUse, ...]

    def subjects(
        self, use: TableUse, parameters: Mapping[str, str | None] = _NO_PARAMETERS
    ) -> dict[str, tuple[str, ...]]:
        """Return the values that each column of a use is limited to, as far as they are known.

        `parameters` are by slot (`numbered`) or by the name that the statement gives them.
        """
        found = {}
        for column, slots in use.slots.items():
            values = [value for slot in slots for value in _values(self.template, slot, parameters)]
            known = tuple(value for value in values if value is not None)
            if known and len(known) == len(values):
                found[column] = known
        return found


NO_STATEMENT = ReadStatement(Template("", ()), ())
"""A statement of which nothing is known."""


class StatementReader:
    """Reads statements of PostgreSQL; equal ones but for their values are analysed once."""

    def __init__(self, dialect: str = "postgres") -> None:
        self._dialect = dialect
        # sqlglot's warnings quote statements.
        logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
        self._uses: BoundedCache[tuple[str, int, tuple[str, ...]], tuple[TableUse, ...] | None]
        self._uses = BoundedCache(_CACHED_BYTES)
        self._catalogue: Catalogue | None = None

    def read(
        self, statement: str, catalogue: Catalogue, search_path: Sequence[str] = ("public",)
    ) -> ReadStatement:
        """Read one statement, or several. Raises `UnparsedStatementError`."""
        if len(statement) > _MAX_STATEMENT:
            raise UnparsedStatementError
        if catalogue is not self._catalogue:
            self._catalogue = catalogue
            self._uses = BoundedCache(_CACHED_BYTES)
        template = template_of(statement)
        key = (template.text, len(template.literals), tuple(search_path))
        uses = self._uses.get(key, ())
        if uses == ():
            uses = self._analyse(template.text, catalogue, tuple(search_path))
            self._uses.put(key, uses, cost=4 * len(template.text))
        if uses is None or not template.text:
            raise UnparsedStatementError
        return ReadStatement(template, uses)

    def _analyse(
        self, text: str, catalogue: Catalogue, search_path: tuple[str, ...]
    ) -> tuple[TableUse, ...] | None:
        """What a template uses; `None` if it can't be parsed."""
        resolver = Resolver(catalogue, search_path, self._dialect)
        try:
            parsed = sqlglot.parse(_PREFIX.sub("", text, count=1), dialect=self._dialect)
            statements = [statement for statement in parsed if statement is not None]
            if any(map(_is_too_complex, statements)):
                return None
            return tuple(use for statement in statements for use in uses_of(statement, resolver))
        except (SqlglotError, RecursionError, UnparsedStatementError):
            return None
        except Exception as error:  # noqa: BLE001 - the library fails in many ways on odd input
            _log.warning("statement not analysed", error=type(error).__name__)
            return None


def _is_too_complex(statement: exp.Expr) -> bool:
    tables = 0
    unseen = [(statement, 1)]
    while unseen:
        node, depth = unseen.pop()
        tables += isinstance(node, exp.Table)
        if depth > _MAX_DEPTH or tables > _MAX_TABLES:
            return True
        unseen += [(child, depth + 1) for child in node.iter_expressions()]
    return False
