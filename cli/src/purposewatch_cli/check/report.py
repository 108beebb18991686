"""Shows findings to a person."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from purposewatch_cli.check.findings import Audited, Findings
from purposewatch_cli.terminal import printable
from purposewatch_shared.decision import Kind, Outcome

OUTCOME_STYLES = {
    Outcome.PERMITTED: "green",
    Outcome.UNKNOWN: "yellow",
    Outcome.VIOLATION: "bold red",
}
_COUNTED = {
    Outcome.PERMITTED: "permitted",
    Outcome.VIOLATION: "violations",
    Outcome.UNKNOWN: "unknown",
}
_KIND_WIDTH = max(len(kind) for kind in Kind)
_REASON_LENGTH = 1_000
_TABLE_NEEDS = 120
"""Columns of the terminal below which a table would be a heap of fragments."""


def show(console: Console, findings: Findings) -> None:
    """Print the findings and the summary."""
    if findings.kept:
        if console.width >= _TABLE_NEEDS:
            console.print(_table(findings.kept))
        else:
            for audited in findings.kept:
                _show_block(console, audited)
    _show_more(console, findings.found - len(findings.kept), "findings")
    for fault in findings.kept_faults:
        for error in fault.errors:
            where = f" `{error.field}`" if error.field else ""
            line = Text(f"line {fault.number}:", style="bold yellow")
            console.print(line.append(printable(f"{where} {error.detail}"), style="default"))
    _show_more(console, findings.faults - len(findings.kept_faults), "faulty lines")
    _show_summary(console, findings)


def _table(rows: list[Audited]) -> Table:
    table = Table(header_style="bold", expand=True, pad_edge=False, show_lines=True)
    table.add_column("line", justify="right", no_wrap=True)
    table.add_column("event\nrole", overflow="fold", max_width=26)
    table.add_column("what", overflow="fold", ratio=2)
    table.add_column("outcome\nkind\nclause", overflow="fold", min_width=_KIND_WIDTH)
    table.add_column("reason", overflow="fold", ratio=3)
    for audited in rows:
        decision = audited.decision
        finding = Text(decision.outcome, style=OUTCOME_STYLES[decision.outcome])
        for each in (decision.kind, audited.deciding.clause):
            if each:
                finding.append(f"\n{printable(each)}", style="not bold default")
        event = Text(printable(audited.event.id))
        event.append(f"\n{printable(audited.event.data.role)}", style="dim")
        table.add_row(
            str(audited.number), event, Text(printable(audited.what)), finding, _reason(audited)
        )
    return table


def _reason(audited: Audited) -> Text:
    return Text(printable(audited.reason, limit=_REASON_LENGTH))


def _show_block(console: Console, audited: Audited) -> None:
    decision = audited.decision
    head = Text(f"line {audited.number}  ", style="bold")
    head.append(decision.outcome, style=OUTCOME_STYLES[decision.outcome])
    details = (decision.kind, audited.deciding.clause, audited.event.data.role, audited.event.id)
    head.append("".join(f"  {printable(each)}" for each in details if each), style="not bold")
    console.print(head)
    console.print(Padding(Text(printable(audited.what), style="dim"), (0, 0, 0, 4)))
    console.print(Padding(_reason(audited), (0, 0, 0, 4)))


def _show_more(console: Console, more: int, what: str) -> None:
    if more:
        console.print(Text(f"... and {more:,} more {what}; `--json` prints all", style="dim"))


def _show_summary(console: Console, findings: Findings) -> None:
    if not findings.events and not findings.faults:
        console.print(Text("no events: the input is empty", style="bold yellow"))
        return
    summary = Text(f"{findings.events:,} events", style="bold")
    summary.append(": ")
    for position, (outcome, counted) in enumerate(_COUNTED.items()):
        count = findings.outcomes[outcome]
        summary.append(", " if position else "", style="default")
        summary.append(f"{count:,} {counted}", style=OUTCOME_STYLES[outcome] if count else "dim")
    if findings.faults:
        summary.append(f"; {findings.faults:,} lines hold no valid event", style="bold yellow")
    console.print(summary)
    width = max((len(kind) for kind in findings.kinds), default=0)
    for kind in (*Kind, Outcome.UNKNOWN):
        if count := findings.kinds[kind]:
            console.print(Text(f"  {kind:<{width}}  {count:,}"))
