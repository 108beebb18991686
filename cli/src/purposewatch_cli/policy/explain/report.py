"""Shows an explanation to a person."""

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from purposewatch_cli.terminal import OUTCOME_STYLES, printable
from purposewatch_policy import (
    CategoryExplanation,
    Comparison,
    Dimension,
    Effect,
    Explanation,
    Kind,
    Named,
    Outcome,
    Statement,
)

_LONGEST = 2_000
_MAX_LISTED = 6
_INDENT = 2
_DEEPER = 4

# a run of Latin text, or one other character; with the closing punctuation that belongs to it
_UNIT = re.compile(r"(?:[「（《“]*(?:[!-~]+|[^\s「（《“])|[「（《“]+)[，。；：、」）》”？！…]*| +")  # noqa: RUF001 - Chinese punctuation is meant


def show(console: Console, explanation: Explanation) -> None:
    """Print the decision, then each data category."""
    _Report(console, explanation).show()


class _Report:
    def __init__(self, console: Console, explanation: Explanation) -> None:
        self._console = console
        self._explanation = explanation
        self._texts = explanation.texts

    def show(self) -> None:
        explanation = self._explanation
        texts = self._texts
        decision = explanation.decision
        head = Text(texts(f"outcome.{decision.outcome}"))
        head.stylize(OUTCOME_STYLES[decision.outcome])
        if decision.kind:
            head.append(f"  {texts(f'kind.{decision.kind}')}", style="not bold")
        details = [texts("report.in_force_at", at=explanation.at.isoformat())]
        if decision.policy_version is not None:
            details.insert(
                0,
                texts(
                    "report.under",
                    controller=explanation.flow.controller,
                    version=decision.policy_version,
                ),
            )
        head.append(f"  {printable(' · '.join(details))}", style="not bold dim")
        self._console.print(head, soft_wrap=True)
        for category in explanation.categories:
            self._console.print()
            self._show_category(category)
        self._show_notes()

    def _show_category(self, category: CategoryExplanation) -> None:
        decided = category.decided
        texts = self._texts
        head = Text(printable(decided.data_category), style="bold")
        if category.label:
            head.append(f"  {printable(category.label)}", style="not bold")
        verdict = [
            texts(f"outcome.{decided.outcome}"),
            texts(f"kind.{decided.kind}") if decided.kind else "",
            texts(f"grade.{decided.grade}") if decided.grade else "",
        ]
        head.append("  ")
        head.append(" · ".join(each for each in verdict if each), OUTCOME_STYLES[decided.outcome])
        self._console.print(head)
        self._print(category.sentence)
        if category.statement is not None:
            self._show_statement(category)
        self._show_advice(category)

    def _show_statement(self, category: CategoryExplanation) -> None:
        texts = self._texts
        statement = category.statement
        if statement is None:
            return
        role = texts("report.nearest")
        if category.decided.outcome is Outcome.PERMITTED:
            role = texts("report.permitted_by")
        elif category.decided.kind is Kind.PROHIBITED:
            role = texts("report.prohibited_by")
        elif category.decided.kind is Kind.PROHIBITED_IN_PART:
            role = texts("report.part_prohibited_by")
        place = texts("report.clause", clause=statement.clause)
        section = f" · {category.section}" if category.section else ""
        self._print(f"{role} `{statement.id}` · {place}{section}", style="bold")
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("", width=1)
        table.add_column(texts("report.dimension"), no_wrap=True)
        table.add_column(texts("report.event_states"), overflow="fold")
        table.add_column(texts("report.statement_names"), overflow="fold")
        for each in category.comparisons:
            table.add_row(
                _mark(each, statement),
                Text(texts(f"dimension.{each.dimension}")),
                self._named(each, each.actual, unless=texts("report.not_stated")),
                self._named(each, each.expected, unless=texts("report.not_restricted")),
                style="" if each.covered else "bold",
            )
        self._console.print(Padding(table, (0, 0, 0, _DEEPER)))

    def _named(
        self, comparison: Comparison, named: tuple[Named, ...] | None, *, unless: str
    ) -> Text:
        """List what is named, each on a line of its own."""
        texts = self._texts
        if not named:
            return Text(unless, style="dim")
        if comparison.dimension is Dimension.RETENTION:
            return Text(named[0].label or texts.counted("report.days", int(named[0].term)))
        lines = [self._name(each) for each in named[:_MAX_LISTED]]
        if len(named) > _MAX_LISTED:
            more = texts("report.more", count=len(named) - _MAX_LISTED)
            lines.append(Text(more, style="dim"))
        return Text("\n").join(lines)

    def _name(self, named: Named) -> Text:
        term = (printable(named.term), "")
        label = (printable(named.label or ""), "dim")
        named_by = {"term": term, "label": label}
        parts = [named_by[each] for each in self._texts("report.order").split()]
        if named.excepted:
            parts.insert(0, (self._texts("report.except"), ""))
        if named.holds is not None:
            holds = self._texts("report.holds" if named.holds else "report.does_not_hold")
            parts.append((holds, ""))
        if named.defined_term is not None:
            parts.append((f"[{printable(named.defined_term)}]", "dim"))
        return Text("  ").join(Text(text, style) for text, style in parts if text)

    def _show_advice(self, category: CategoryExplanation) -> None:
        if category.advice:
            self._print(self._explanation.advice_heading, style="bold")
        for advice in category.advice:
            self._print(advice.title, style="cyan", indent=_DEEPER)
            for change in advice.changes:
                self._print(change, indent=_DEEPER + 2, bullet="- ")
            if advice.conclusion:
                self._print(advice.conclusion, indent=_DEEPER + 2, style="dim")

    def _show_notes(self) -> None:
        notes = self._explanation.notes
        if notes:
            self._console.print()
        for note in notes:
            self._print(note, style="dim", indent=0)

    def _print(
        self, text: str, *, style: str = "", indent: int = _INDENT, bullet: str = ""
    ) -> None:
        width = self._console.width - indent - len(bullet)
        for number, line in enumerate(wrapped(printable(text, limit=_LONGEST), width)):
            start = bullet if number == 0 else " " * len(bullet)
            self._console.print(Text(f"{' ' * indent}{start}{line}", style=style), soft_wrap=True)


def _mark(comparison: Comparison, statement: Statement) -> Text:
    """Show what speaks for the event and what against it."""
    if not comparison.covered:
        return Text("✗", style="bold red")
    if statement.effect is Effect.PERMIT:
        return Text("✓", style="green")
    return Text("!" if comparison.expected else "", style="bold red")


def wrapped(text: str, width: int) -> Iterator[str]:
    """Yield lines of at most `width` columns: Chinese breaks between characters, not in a term."""
    line = ""
    for unit in _UNIT.findall(text):
        if line and cell_len(line) + cell_len(unit.rstrip()) > width:
            yield line.rstrip()
            line = unit.lstrip()
        else:
            line += unit
    if line.rstrip():
        yield line.rstrip()
