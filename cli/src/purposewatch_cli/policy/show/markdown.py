"""The matrix as Markdown, for a wiki."""

from collections.abc import Iterable, Iterator

from purposewatch_cli.policy.show.matrix import RoleMatrix, matrices
from purposewatch_cli.policy.show.words import Wording, clauses


def as_markdown(wording: Wording) -> str:
    """Return a page with one table for every group of roles that the policy treats alike."""
    lines = [
        f"# {_plain(wording.title())}",
        "",
        f"{_plain(wording.edition())}",
        "",
        wording.words("legend"),
    ]
    for matrix in matrices(wording.compiled):
        roles = wording.branches(matrix.roles, wording.compiled.vocabulary.roles)
        lines += ["", f"## {_plain(roles)}", ""]
        lines += _table(matrix, wording) if matrix.rows else [wording.words("nothing")]
        if matrix.prohibitions:
            lines += ["", f"**{wording.words('prohibited')}**", ""]
            lines += [
                f"- {_plain(wording.prohibition(each))} (`{each.clause}`)"
                for each in matrix.prohibitions
            ]
    return "\n".join(lines) + "\n"


def _table(matrix: RoleMatrix, wording: Wording) -> Iterator[str]:
    words, vocabulary = wording.words, wording.compiled.vocabulary
    outside = any(not row.inside for row in matrix.rows)
    conditional = any(wording.conditions(row.statements) for row in matrix.rows)
    yield f"| | {words('data')} | |"
    yield "|---|---|---|"
    for column in matrix.columns:
        terms = ", ".join(f"`{each}`" for each in column.terms)
        yield _line([f"**{column.name}**", _plain(wording.column(column)), terms])
    yield ""
    yield _line(
        [
            words("purpose"),
            *([words("recipient")] if outside else []),
            *(column.name for column in matrix.columns),
            *([words("condition")] if conditional else []),
            words("clauses"),
        ]
    )
    yield _line(
        ["---", *(["---"] if outside else []), *(":-:" for _ in matrix.columns)]
        + ["---"] * (1 + conditional)
    )
    for row in matrix.rows:
        recipients = "" if row.inside else wording.branches(row.recipients, vocabulary.recipients)
        yield _line(
            [
                _plain(wording.branch(row.purpose, vocabulary.purposes)),
                *([_plain(recipients)] if outside else []),
                *(wording.marks(cell) for cell in row.cells),
                *([_plain("; ".join(wording.conditions(row.statements)))] if conditional else []),
                clauses(row.statements),
            ]
        )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return the text so that Markdown takes it literally."""
    for special in "\\`*_[]<>|":
        text = text.replace(special, f"\\{special}")
    return " ".join(text.split())
