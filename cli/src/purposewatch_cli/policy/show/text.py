"""The matrix on a terminal."""

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from purposewatch_cli.policy.show.matrix import RoleMatrix, matrices
from purposewatch_cli.policy.show.words import Wording, clauses_by_section
from purposewatch_cli.terminal import printable

_LONG = 2_000
_ENOUGH = 10_000
"""Columns in which any table has room."""


def show_matrices(console: Console, wording: Wording) -> None:
    """Print one table for every group of roles that the policy treats alike."""
    console.print(Text(printable(f"{wording.title()} · {wording.edition()}"), style="bold"))
    console.print(Text(wording.words("legend"), style="dim"))
    for matrix in matrices(wording.compiled):
        console.print()
        roles = wording.branches(matrix.roles, wording.compiled.vocabulary.roles)
        console.print(Text(printable(roles.upper()), style="bold"))
        if matrix.rows:
            _show_list(console, {each.name: wording.column(each) for each in matrix.columns})
            facts = dict.fromkeys(
                fact for row in matrix.rows for fact in wording.conditions(row.statements)
            )
            notes = {fact: str(number) for number, fact in enumerate(facts, start=1)}
            table = _table(matrix, wording, notes)
            if Measurement.get(console, console.options.update_width(_ENOUGH), table).minimum > (
                console.width
            ):
                _show_blocks(console, matrix, wording, notes)
            else:
                console.print(table)
            _show_list(console, {number: fact for fact, number in notes.items()})
        else:
            console.print(Padding(Text(wording.words("nothing")), (0, 0, 0, 2)))
        for each in matrix.prohibitions:
            line = f"{wording.words('prohibited')} ({each.clause}): {wording.prohibition(each)}"
            console.print(Text(printable(line, _LONG), style="red"))


def _show_list(console: Console, explained: dict[str, str]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold cyan", no_wrap=True)
    grid.add_column()
    for sign, meaning in explained.items():
        grid.add_row(sign, Text(printable(meaning, _LONG)))
    if explained:
        console.print(Padding(grid, (0, 0, 0, 2)))


def _show_blocks(
    console: Console, matrix: RoleMatrix, wording: Wording, notes: dict[str, str]
) -> None:
    """Print one paragraph for each row, where a table does not fit."""
    words, vocabulary = wording.words, wording.compiled.vocabulary
    for row in matrix.rows:
        head = wording.branch(row.purpose, vocabulary.purposes)
        if not row.inside:
            head += f" → {wording.branches(row.recipients, vocabulary.recipients)}"
        columns: dict[str, list[str]] = {}
        for column, cell in zip(matrix.columns, row.cells, strict=True):
            if cell:
                columns.setdefault(wording.marks(cell), []).append(column.name)
        parts = [f"{marks}: {' '.join(names)}" for marks, names in columns.items()]
        if facts := wording.conditions(row.statements):
            parts.append(f"{words('condition')} {' '.join(notes[each] for each in facts)}")
        parts.append(clauses_by_section(row.statements))
        console.print(Padding(Text(printable(head, _LONG)), (0, 0, 0, 2)))
        console.print(Padding(Text(printable(" · ".join(parts), _LONG), "dim"), (0, 0, 0, 4)))


def _table(matrix: RoleMatrix, wording: Wording, notes: dict[str, str]) -> Table:
    words, vocabulary = wording.words, wording.compiled.vocabulary
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    outside = any(not row.inside for row in matrix.rows)
    table.add_column(words("purpose"), min_width=20)
    if outside:
        table.add_column(words("recipient"), min_width=16)
    for column in matrix.columns:
        table.add_column(column.name, header_style="bold cyan", no_wrap=True)
    if notes:
        table.add_column(words("condition"), style="cyan")
    table.add_column(words("clauses"), min_width=16)
    for row in matrix.rows:
        cells = [wording.branch(row.purpose, vocabulary.purposes)]
        if outside:
            cells.append(
                "" if row.inside else wording.branches(row.recipients, vocabulary.recipients)
            )
        cells += [wording.marks(cell) or "·" for cell in row.cells]
        if notes:
            cells.append(" ".join(notes[each] for each in wording.conditions(row.statements)))
        cells.append(clauses_by_section(row.statements))
        table.add_row(*(Text(printable(cell, _LONG)) for cell in cells))
    return table
