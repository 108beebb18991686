"""Shows a difference to a person."""

from collections.abc import Iterator
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from purposewatch_cli.terminal import printable
from purposewatch_policy import CategoryDecision, Dimension, Outcome, Statement
from purposewatch_policy.diff import Change, ChangeKind, Closest, PolicyDiff
from purposewatch_policy.languages import explanation_texts, retention_words

_HEADINGS = {
    ChangeKind.PERMITTED: "newly permitted",
    ChangeKind.LIFTED: "no longer prohibited (nor permitted)",
    ChangeKind.WITHDRAWN: "no longer permitted",
    ChangeKind.PROHIBITED: "newly prohibited (and was not permitted)",
}
_TERMS_LISTED = 3
_WORDS_LISTED = 12
_LONG = 4_000


def show(console: Console, difference: PolicyDiff) -> None:
    """Print every change with its statement, and what follows for the data subjects."""
    old, new = difference.old.policy, difference.new.policy
    console.print(Text(printable(f"{new.controller}: {old.version} -> {new.version}"), "bold"))
    for kind, changes in groupby(difference.changes, key=lambda each: each.kind):
        console.print()
        console.print(Text(_HEADINGS[kind].upper(), style="bold"))
        for (_, reason), alike in groupby(changes, key=lambda each: (each.cause, _caption(each))):
            group = list(alike)
            console.print(_marked(reason, shrink=group[0].rights_shrink))
            for change in group:
                console.print(Padding(_details(change), (0, 0, 0 if change is group[-1] else 1, 4)))
    _show_vocabulary(console, difference)
    console.print()
    console.print(_summary(difference))


def _caption(change: Change) -> str:
    by = change.statement
    caption = f"{change.reason}: `{by.id}` ({by.clause})"
    if change.prohibition:
        verb = "lifts" if change.kind is ChangeKind.PERMITTED else "is stopped by"
        caption += f" {verb} `{change.prohibition.id}` ({change.prohibition.clause})"
    return caption


def _marked(caption: str, *, shrink: bool) -> Text:
    mark = Text("! rights shrink  " if shrink else "- ", style="bold red" if shrink else "bold")
    return mark.append(printable(caption), style="not bold default")


def _details(change: Change) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows(change):
        table.add_row(name, Text(printable(value, limit=_LONG)))
    return table


def rows(change: Change) -> Iterator[tuple[str, str]]:
    """Yield what a change is about, dimension by dimension, then how its example is judged."""
    terms = change.region.terms
    for dimension in Dimension:
        if dimension in terms:
            yield dimension.replace("_", " "), str(terms[dimension])
        elif dimension is Dimension.RETENTION and change.region.retention:
            yield "retention", str(change.region.retention)
        elif dimension is Dimension.FACTS and change.region.facts:
            stated = change.region.facts.items()
            yield (
                "facts",
                ", ".join(
                    f"{fact} {'holds' if holds else 'does not hold'}" for fact, holds in stated
                ),
            )
    gained = change.kind is ChangeKind.PERMITTED
    yield "before", _judged(change.before, change.closest if gained else None)
    yield "after", _judged(change.after, None if gained else change.closest)


def _judged(decision: CategoryDecision, closest: Closest | None) -> str:
    """Say in one line how a version judges the example of a change."""
    if decision.kind is None and decision.outcome is not Outcome.PERMITTED:
        return "unknown: a term is not in the vocabulary"
    judged = str(decision.kind or decision.outcome)
    if decision.statement and not decision.failed:
        return f"{judged} by `{decision.statement}` ({decision.clause})"
    if closest is None:
        return judged
    by = closest.statement
    lacks = "; ".join(f"{each.replace('_', ' ')} {_declared(by, each)}" for each in closest.lacks)
    return f"{judged}; closest `{by.id}` ({by.clause}): {lacks}"


def _declared(statement: Statement, dimension: Dimension) -> str:
    """Say what a statement names in a dimension that it restricts."""
    if dimension is Dimension.RETENTION:
        return retention_words(statement, explanation_texts("en"))
    if dimension is Dimension.FACTS:
        unmet = [f"not {fact}" for fact in statement.unless]
        return ", ".join([*statement.when, *unmet])
    terms = statement.terms(dimension) or ()
    more = f" and {len(terms) - _TERMS_LISTED} more" if len(terms) > _TERMS_LISTED else ""
    return ", ".join(terms[:_TERMS_LISTED]) + more


def _show_vocabulary(console: Console, difference: PolicyDiff) -> None:
    if not difference.vocabulary:
        return
    console.print()
    console.print(Text("VOCABULARY", style="bold"))
    for name, words in difference.vocabulary.items():
        for what, terms in (
            ("new", words.added),
            ("gone", words.removed),
            ("below another parent", words.moved),
        ):
            if terms:
                more = f" and {len(terms) - _WORDS_LISTED} more" * (len(terms) > _WORDS_LISTED)
                listed = ", ".join(terms[:_WORDS_LISTED])
                console.print(Text(printable(f"- {name}, {what}: {listed}{more}", _LONG)))


def _summary(difference: PolicyDiff) -> Text:
    if not difference:
        return Text("no difference: every flow is judged alike", style="bold green")
    changes = len(difference.changes)
    if not changes:
        return Text("only the vocabulary differs: flows in its common words are judged alike")
    summary = Text(f"{changes} {'change' if changes == 1 else 'changes'}; ", style="bold")
    shrinking = sum(each.rights_shrink for each in difference.changes)
    if shrinking:
        summary.append(f"the data subjects' rights shrink in {shrinking}", style="bold red")
        return summary.append(": tell them before it takes effect", style="default")
    return summary.append("the data subjects' rights shrink in none", style="bold green")
