"""Shows the events that would be decided otherwise."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from purposewatch_cli.replay.judge import Difference, Rejudge
from purposewatch_cli.terminal import OUTCOME_STYLES, counted, printable
from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import Decision

_VALUES = {True: "holds", False: "does not hold", None: "not stated"}


def as_json(difference: Difference) -> dict[str, Any]:
    """One difference for machines."""
    before, statement = difference.before, difference.statement
    return {
        "type": "difference",
        "event_id": before.event_id,
        "event_source": before.event_source,
        "event_time": before.event_time.isoformat(),
        "position": {
            "topic": before.topic,
            "partition": before.partition,
            "offset": before.offset,
        },
        "controller": before.data.controller,
        "publisher": before.publisher,
        "subject": before.subject,
        "before": _decided(before),
        "after": _decided(difference.after),
        "value_used": difference.used,
        "value_now": difference.now,
        "statement": None
        if statement is None
        else {
            "id": statement.statement,
            "source": statement.source,
            "effective_from": statement.effective_from.isoformat(),
            "until": None if statement.until is None else statement.until.isoformat(),
            "evidence": statement.evidence,
        },
        "other_policy": difference.is_other_policy,
    }


def summary_as_json(judged: Rejudge, statements: int) -> dict[str, Any]:
    """The numbers for machines."""
    return {
        "type": "summary",
        "statements": statements,
        "dependent": judged.dependent,
        "affected": judged.affected,
        "different": judged.different,
    }


def show(console: Console, differences: list[Difference]) -> None:
    """Print the differences as a table."""
    table = Table(header_style="bold", expand=True, pad_edge=False, show_lines=True)
    table.add_column("event\ntime", overflow="fold", ratio=3)
    table.add_column("publisher\nsubject", overflow="fold", ratio=3)
    table.add_column("before", overflow="fold", ratio=2)
    table.add_column("after", overflow="fold", ratio=2)
    table.add_column("deciding statement", overflow="fold", ratio=3)
    for each in differences:
        before = each.before
        after = _text(each.after)
        if each.is_other_policy:
            after.append("\nby another policy", style="not bold yellow")
        table.add_row(
            _lines(before.event_id, f"{before.event_time:%Y-%m-%d %H:%M:%S}"),
            _lines(before.publisher, before.subject),
            _text(before).append(f"\n{_VALUES[each.used]}", style="not bold default"),
            after,
            _statement(each),
        )
    console.print(table)


def show_summary(console: Console, judged: Rejudge, shown: int) -> None:
    """Print the numbers."""
    if judged.different > shown:
        left = counted(judged.different - shown, "more event")
        console.print(Text(f"... and {left}; `--json` prints all", style="dim"))
    console.print(
        f"{counted(judged.dependent, 'event')} depended on the fact; {judged.affected:,} used "
        f"another value than the one that counts now; {judged.different:,} would be decided "
        "otherwise"
    )


def _decided(decided: DecodedVerdict | Decision) -> dict[str, Any]:
    return {"outcome": str(decided.outcome), "kind": decided.kind and str(decided.kind)}


def _text(decided: DecodedVerdict | Decision) -> Text:
    text = Text(decided.outcome, style=OUTCOME_STYLES[decided.outcome])
    if decided.kind is not None:
        text.append(f"\n{printable(decided.kind)}", style="not bold default")
    return text


def _statement(difference: Difference) -> Text:
    statement = difference.statement
    if statement is None:
        return Text("none any more", style="dim")
    said = _VALUES[statement.value]
    if statement.until is not None and difference.now is None:
        said += f", expired {statement.until:%Y-%m-%d %H:%M:%S}"
    return _lines(
        f"{statement.statement}: {said}", f"effective {statement.effective_from:%Y-%m-%d %H:%M:%S}"
    )


def _lines(first: str, second: str) -> Text:
    return Text(printable(first)).append(f"\n{printable(second)}", style="dim")
