"""Shows an explanation to a person."""

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from purposewatch_cli.check.report import OUTCOME_STYLES
from purposewatch_cli.policy.explain.words import WORDS, Words
from purposewatch_cli.policy.explain.wrapping import wrapped
from purposewatch_cli.terminal import printable
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
from purposewatch_policy.languages import LANGUAGES, Language

_LONGEST = 2_000
_MAX_LISTED = 6
_INDENT = 2
_DEEPER = 4


def show(console: Console, explanation: Explanation) -> None:
    """Print the decision, then each data category."""
    _Report(console, explanation).show()


class _Report:
    def __init__(self, console: Console, explanation: Explanation) -> None:
        self._console = console
        self._explanation = explanation
        self._language: Language = LANGUAGES[explanation.language]
        self._words: Words = WORDS[explanation.language]

    def show(self) -> None:
        explanation = self._explanation
        words = self._words
        decision = explanation.decision
        head = Text(self._language.OUTCOMES[decision.outcome])
        head.stylize(OUTCOME_STYLES[decision.outcome])
        if decision.kind:
            head.append(f"  {self._language.KINDS[decision.kind]}", style="not bold")
        details = [words.in_force_at.format(at=explanation.at.isoformat())]
        if decision.policy_version is not None:
            details.insert(
                0,
                words.under.format(
                    controller=explanation.flow.controller, version=decision.policy_version
                ),
            )
        head.append(f"  {printable(' · '.join(details))}", style="not bold dim")
        self._console.print(head, soft_wrap=True)
        for category in explanation.categories:
            self._console.print()
            self._show_category(category)
        self._show_rest()

    def _show_category(self, category: CategoryExplanation) -> None:
        decided = category.decided
        language = self._language
        head = Text(printable(decided.data_category), style="bold")
        if category.label:
            head.append(f"  {printable(category.label)}", style="not bold")
        verdict = [
            language.OUTCOMES[decided.outcome],
            language.KINDS[decided.kind] if decided.kind else "",
            language.GRADES[decided.grade] if decided.grade else "",
        ]
        head.append("  ")
        head.append(" · ".join(each for each in verdict if each), OUTCOME_STYLES[decided.outcome])
        self._console.print(head)
        self._print(category.sentence)
        if category.statement is not None:
            self._show_statement(category)
        if category.remedies is not None:
            self._show_remedies(category)

    def _show_statement(self, category: CategoryExplanation) -> None:
        words = self._words
        statement = category.statement
        if statement is None:
            return
        role = words.nearest
        if category.decided.outcome is Outcome.PERMITTED:
            role = words.permitted_by
        elif category.decided.kind is Kind.PROHIBITED:
            role = words.prohibited_by
        place = words.clause.format(clause=statement.clause)
        section = f" · {category.section}" if category.section else ""
        self._print(f"{role} `{statement.id}` · {place}{section}", style="bold")
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("", width=1)
        table.add_column(words.dimension, no_wrap=True)
        table.add_column(words.event_states, overflow="fold")
        table.add_column(words.statement_names, overflow="fold")
        for each in category.comparisons:
            table.add_row(
                _mark(each, statement),
                Text(self._language.DIMENSIONS[each.dimension]),
                self._named(each, each.actual, unless=words.not_stated),
                self._named(each, each.expected, unless=words.not_restricted),
                style="" if each.covered else "bold",
            )
        self._console.print(Padding(table, (0, 0, 0, _DEEPER)))

    def _named(
        self, comparison: Comparison, named: tuple[Named, ...] | None, *, unless: str
    ) -> Text:
        """List what is named, each on a line of its own."""
        words = self._words
        if not named:
            return Text(unless, style="dim")
        if comparison.dimension is Dimension.RETENTION:
            count = named[0].term
            days = words.one_day if count == "1" else words.days.format(days=count)
            is_limit = named is comparison.expected
            return Text(words.at_most.format(days=days) if is_limit else days)
        lines = [self._name(each) for each in named[:_MAX_LISTED]]
        if len(named) > _MAX_LISTED:
            more = words.more.format(count=len(named) - _MAX_LISTED)
            lines.append(Text(more, style="dim"))
        return Text("\n").join(lines)

    def _name(self, named: Named) -> Text:
        term = (printable(named.term), "")
        label = (printable(named.label or ""), "dim")
        parts = [label, term] if self._words.label_first else [term, label]
        if named.holds is not None:
            holds = self._words.holds if named.holds else self._words.does_not_hold
            parts.append((holds, ""))
        return Text("  ").join(Text(text, style) for text, style in parts if text)

    def _show_remedies(self, category: CategoryExplanation) -> None:
        remedies = category.remedies
        vocabulary = self._explanation.vocabulary
        if remedies is None or vocabulary is None:
            return
        words = self._words
        title = words.smallest_change
        if len(self._explanation.categories) > 1:
            title += words.this_category
        self._print(title, style="bold")
        if remedies.event is not None:
            permit = remedies.event.statement
            changes = [
                self._language.event_change(each, vocabulary) for each in remedies.event.changes
            ]
            then = words.then_permitted.format(statement=f"`{permit.id}`", clause=permit.clause)
            self._show_changes(words.of_the_event, changes, then)
        elif remedies.obstacle is not None:
            obstacle = remedies.obstacle
            reason = words.no_event_remedy_prohibited.format(
                statement=f"`{obstacle.id}`", clause=obstacle.clause
            )
            self._show_changes(words.of_the_event, [], reason)
        else:
            self._show_changes(words.of_the_event, [], words.no_event_remedy_undeclared)
        if remedies.policy is None:
            self._show_changes(words.of_the_policy, [], words.no_policy_remedy)
        else:
            changes = [
                self._language.policy_change(each, vocabulary) for each in remedies.policy.changes
            ]
            self._show_changes(words.of_the_policy, changes)

    def _show_changes(self, title: str, changes: Iterable[str], conclusion: str = "") -> None:
        self._print(title, style="cyan", indent=_DEEPER)
        for change in changes:
            self._print(change, indent=_DEEPER + 2, bullet="- ")
        if conclusion:
            self._print(conclusion, indent=_DEEPER + 2, style="dim")

    def _show_rest(self) -> None:
        explanation = self._explanation
        words = self._words
        lines = []
        if explanation.leave_out:
            categories = ", ".join(f"`{each}`" for each in explanation.leave_out)
            lines.append(words.leave_out.format(categories=categories))
        lines += [
            words.meant.format(term=hint.term, meant=hint.meant)
            if hint.meant
            else words.not_in_vocabulary.format(term=hint.term)
            for hint in explanation.hints
        ]
        for each in explanation.versions:
            template = words.version if each.until is None else words.version_until
            lines.append(
                template.format(
                    version=each.policy.version,
                    begins=each.policy.in_force_from.isoformat(),
                    until=each.policy.in_force_until and each.policy.in_force_until.isoformat(),
                )
            )
        if any(each.remedies and each.remedies.event for each in explanation.categories):
            lines.append(words.of_future)
        if lines:
            self._console.print()
        for line in lines:
            self._print(line, style="dim", indent=0)

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
