"""What a demonstration comes to: sent against recorded."""

import os
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from purposewatch_cli.terminal import counted, printable
from purposewatch_demo.account import Account
from purposewatch_demo.deliver import Deliveries
from purposewatch_demo.verify import compare
from purposewatch_policy import Outcome


def show_summary(
    out: Console, deliveries: Deliveries, account: Account, *, seconds: float, rate: float
) -> None:
    """Print it; `rate` is the number of events per second that was asked for, 0 without limit."""
    tally = deliveries.tally
    asked = f"asked for {rate:,.0f}/s"
    if not rate:
        asked = f"without a limit: {tally.accepted / seconds if seconds > 0 else 0:,.0f}/s"
    stated = f", {counted(tally.facts, 'fact')} stated before" if tally.facts else ""
    out.print(
        Text(f"{tally.sent:,} events", style="bold").append(
            f" in {seconds:.1f} s ({asked}){stated}", style="not bold"
        )
    )
    table = Table(header_style="bold")
    table.add_column("")
    for name in ("expected", "found", ""):
        table.add_column(name, justify="right")
    for each in compare(deliveries, account):
        least = "≥ " if each.at_least else ""
        mark = Text("ok", style="green") if each.holds else Text("wrong", style="bold red")
        table.add_row(each.what, f"{least}{each.expected:,}", f"{each.found:,}", mark)
    for status, events in sorted(tally.rejected.items()):
        table.add_row(f"refused with {status}", f"{events:,}", f"{events:,}", Text("ok", "green"))
    out.print(table)
    ledger = (
        f"ledger: {account.events:,} events, {account.verdicts:,} verdicts, "
        f"{account.dead_letters:,} dead letters, {account.unaccounted:,} unaccounted, "
        f"{account.pending:,} pending"
    )
    reconciled = account.reconciled
    state = (
        Text("; reconciled", "bold green") if reconciled else Text("; not reconciled", "bold red")
    )
    out.print(Text(ledger) + state)
    if restarts := account.restarts():
        out.print(Text(f"services restarted: {restarts}", style="yellow"))
    if deliveries.resent:
        out.print(Text(f"sent again after a lost answer: {deliveries.resent:,} events", "yellow"))


def show_verdicts(out: Console, account: Account, events: Path | None) -> None:
    """Print how events were decided whose outcome nobody knew beforehand."""
    outcomes = account.outcomes
    verdicts = (
        f"{outcomes[Outcome.PERMITTED]:,} permitted",
        counted(outcomes[Outcome.VIOLATION], "violation"),
        f"{outcomes[Outcome.UNKNOWN]:,} unknown",
    )
    # no system states facts about them, as if there were a file of statements that is empty
    command = f"purposewatch check {printable(str(events))} --facts {os.devnull}"
    hint = f"; `{command}` shows the reasons"
    out.print(Text(f"verdicts: {', '.join(verdicts)}{hint}"), soft_wrap=True)
