"""The values that the conditions of a query limit columns to: whose rows it is about."""

from collections.abc import Sequence

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

Slot = str
"""Where a value stands: a literal, a parameter, or a whole array if it ends with `[]`."""

Column = tuple[str, str]
"""A source's alias and a column of it."""


def pins_of(scopes: Sequence[Scope]) -> dict[int, dict[Column, tuple[Slot, ...]]]:
    """The values that each scope limits columns to, its own conditions and those of outer scopes.

    Scopes come inner ones first, so outer ones are looked at first here.
    """
    pinned: dict[int, dict[Column, tuple[Slot, ...]]] = {}
    references: dict[int, int] = {}
    for scope in scopes:
        for source in scope.sources.values():
            if isinstance(source, Scope):
                references[id(source)] = references.get(id(source), 0) + 1
    for scope in reversed(scopes):
        own = pinned.setdefault(id(scope), {})
        _add_conditions(scope, own)
        for inner in scope.subquery_scopes:  # a correlated one may compare with the same columns
            pinned.setdefault(id(inner), {}).update(
                (column, slots) for column, slots in own.items() if column[0] not in inner.sources
            )
        for alias, source in scope.sources.items():
            # A query that is used twice gives more rows than either use is limited to.
            if isinstance(source, Scope) and references[id(source)] == 1:
                pins = pinned.setdefault(id(source), {})
                for (named, column), slots in own.items():
                    origin = _origin(source, column) if named == alias else None
                    if origin is not None:
                        pins.setdefault(origin, slots)
    return pinned


def _origin(scope: Scope, name: str) -> Column | None:
    """The column of its own sources that a scope gives out under a name, unchanged.

    None of a scope that looks at other rows than those that are asked for.
    """
    expression = scope.expression
    if not isinstance(expression, exp.Select) or expression.find(exp.Window, exp.Limit, exp.Offset):
        return None
    for selected in expression.selects:
        column = selected.unalias()
        if selected.alias_or_name == name and isinstance(column, exp.Column):
            return column.table, column.name
    return None


def _add_conditions(scope: Scope, pins: dict[Column, tuple[Slot, ...]]) -> None:
    expression = scope.expression
    conditions = []
    equal: list[tuple[Column, Column]] = []
    if where := expression.args.get("where"):
        conditions.append((where.this, True))
    joins = expression.args.get("joins") or ()
    conditions += [(on, not join.side) for join in joins if (on := join.args.get("on"))]
    for condition, limits in conditions:
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            _add_condition(part.unnest(), pins if limits else {}, equal)
    for _ in equal:  # as many rounds as there are equations settle all
        for left, right in equal:
            for one, other in ((left, right), (right, left)):
                if one in pins:
                    pins.setdefault(other, pins[one])


def _add_condition(
    part: exp.Expr,
    pins: dict[Column, tuple[Slot, ...]],
    equal: list[tuple[Column, Column]],
) -> None:
    if isinstance(part, exp.EQ):
        left, right = _bare(part.left), _bare(part.right)
        if isinstance(left, exp.Column) and isinstance(right, exp.Column):
            equal.append(((left.table, left.name), (right.table, right.name)))
            return
        column, value = (left, right) if isinstance(left, exp.Column) else (right, left)
        if isinstance(column, exp.Column):
            slots = _array_slots(value) if isinstance(value, exp.Any) else slots_of([value])
            if slots:
                pins.setdefault((column.table, column.name), slots)
    elif isinstance(part, exp.In):
        column = _bare(part.this)
        slots = slots_of(part.expressions)
        if isinstance(column, exp.Column) and slots:
            pins.setdefault((column.table, column.name), slots)


def _array_slots(value: exp.Any) -> tuple[Slot, ...]:
    """The slots of `= ANY (...)`: an array's own, or `[]` behind the slot of a whole array."""
    array = _bare(value.this)
    if isinstance(array, exp.Array):
        return slots_of(array.expressions)
    slots = slots_of([array])
    return tuple(f"{slot}[]" for slot in slots)


def slots_of(values: Sequence[exp.Expr]) -> tuple[Slot, ...]:
    """Return the slots of values; none unless each of them is one."""
    bare = [_bare(value) for value in values]
    if all(isinstance(value, exp.Placeholder) and value.name for value in bare):
        return tuple(value.name for value in bare)
    return ()


def _bare(value: exp.Expr) -> exp.Expr:
    """The value without parentheses and casts."""
    while isinstance(value, (exp.Paren, exp.Cast)):
        value = value.this
    return value
