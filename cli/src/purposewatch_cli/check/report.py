"""Shows findings to a person."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from purposewatch_cli.check.findings import Audited, Findings
from purposewatch_cli.terminal import OUTCOME_STYLES, counted, printable
from purposewatch_policy import Kind, Outcome

_KIND_WIDTH = max(len(kind) for kind in Kind)
_REASON_LENGTH = 1_000
_REASON_WIDTH = 40
_EVENT_WIDTH = 26
_LINE_WIDTH = 6
_FRAME_WIDTH = 16


def show(console: Console, findings: Findings) -> None:
    """Print the findings and the summary."""
    if findings.kept:
        word = max(len(each) for audited in findings.kept for each in audited.what.split())
        if console.width >= _table_needs(word):
            console.print(_table(findings.kept, word))
        else:
            for audited in findings.kept:
                _show_block(console, audited)
    _show_more(console, findings.found - len(findings.kept), "finding")
    for fault in findings.kept_faults:
        for error in fault.errors:
            where = f" `{error.field}`" if error.field else ""
            line = Text(f"line {fault.number}:", style="bold yellow")
            console.print(line.append(printable(f"{where} {error.detail}"), style="default"))
    _show_more(console, findings.faults - len(findings.kept_faults), "faulty line")
    _show_summary(console, findings)


def _table_needs(word: int) -> int:
    """Columns of the terminal below which a table would break terms in two."""
    return _LINE_WIDTH + _EVENT_WIDTH + word + _KIND_WIDTH + _REASON_WIDTH + _FRAME_WIDTH


def _table(rows: list[Audited], word: int) -> Table:
    table = Table(header_style="bold", expand=True, pad_edge=False, show_lines=True)
    table.add_column("line", justify="right", no_wrap=True)
    table.add_column("event\nrole", overflow="fold", max_width=_EVENT_WIDTH)
    table.add_column("what", overflow="fold", width=word)
    table.add_column("outcome\nkind\nclause", overflow="fold", min_width=_KIND_WIDTH)
    table.add_column("reason", overflow="fold", ratio=1)
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
        left = counted(more, f"more {what}")
        console.print(Text(f"... and {left}; `--json` prints all", style="dim"))


def _show_summary(console: Console, findings: Findings) -> None:
    if not findings.events and not findings.faults:
        console.print(Text("no events: the input is empty", style="bold yellow"))
        return
    summary = Text(counted(findings.events, "event"), style="bold")
    if findings.accesses != findings.events:
        summary.append(f" ({counted(findings.accesses, 'access', 'accesses')})")
    summary.append(": ")
    outcomes = findings.outcomes
    for position, (outcome, said) in enumerate(
        (
            (Outcome.PERMITTED, f"{outcomes[Outcome.PERMITTED]:,} permitted"),
            (Outcome.VIOLATION, counted(outcomes[Outcome.VIOLATION], "violation")),
            (Outcome.UNKNOWN, f"{outcomes[Outcome.UNKNOWN]:,} unknown"),
        )
    ):
        summary.append(", " if position else "", style="default")
        summary.append(said, style=OUTCOME_STYLES[outcome] if outcomes[outcome] else "dim")
    if findings.faults:
        lines = counted(findings.faults, "line")
        verb = "holds" if findings.faults == 1 else "hold"
        summary.append(f"; {lines} {verb} no valid event", style="bold yellow")
    console.print(summary)
    width = max((len(kind) for kind in findings.kinds), default=0)
    for kind in (*Kind, Outcome.UNKNOWN):
        if count := findings.kinds[kind]:
            console.print(Text(f"  {kind:<{width}}  {count:,}"))
    if findings.stated_facts is None:
        said = "facts: as the events state them; `--facts FILE` takes them from statements"
    else:
        said = f"facts: from {counted(findings.stated_facts, 'statement')}"
    console.print(Text(said, style="dim"))
