"""The live picture of a demonstration. Everything in it comes from the services' own answers."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from purposewatch_cli.terminal import OUTCOME_STYLES, printable
from purposewatch_demo.account import Account, FoundViolation, SignIn
from purposewatch_policy import Kind, Outcome

_RATE_WINDOW_SECONDS = 5.0
_BAR = 9
_PARTITIONS_SHOWN = 6
_ROOMY_HEIGHT = 34
_ROOMY_WIDTH = 112
_HEAD_LINES = 1
_BODY_LINES = 15
_COMPACT_BODY_LINES = 10
_LINKS_LINES = 5
_SENTENCE_LINES = 2
_VIOLATION_LINES = 1 + _SENTENCE_LINES


@dataclass(slots=True)
class Rates:
    """Events per second over the last few seconds."""

    _seen: deque[tuple[float, int, int]] = field(default_factory=deque)
    accepted: float = 0.0
    audited: float = 0.0

    def add(self, account: Account) -> None:
        """Take in one more look at the counters."""
        now = (account.at, account.accepted, account.audited)
        if self._seen and (now[1] < self._seen[-1][1] or now[2] < self._seen[-1][2]):
            self._seen.clear()  # a counter started again: its process was restarted
        self._seen.append(now)
        while now[0] - self._seen[0][0] > _RATE_WINDOW_SECONDS:
            self._seen.popleft()
        since, accepted, audited = self._seen[0]
        if (elapsed := now[0] - since) > 0:
            self.accepted = (now[1] - accepted) / elapsed
            self.audited = (now[2] - audited) / elapsed


@dataclass(frozen=True, slots=True)
class Scene:
    """What is shown beside the account."""

    title: str
    """Which broker."""
    phase: str
    """What the demonstration is doing."""
    seconds: float
    """Since feeding began."""
    rates: Rates
    sign_in: SignIn | None = None
    """To the compliance page, where it is known."""


def picture(scene: Scene, account: Account, console: Console) -> RenderableType:
    """The whole screen."""
    roomy = console.height >= _ROOMY_HEIGHT and console.width >= _ROOMY_WIDTH
    body = _BODY_LINES if roomy else _COMPACT_BODY_LINES
    links = _LINKS_LINES + (scene.sign_in is not None)
    room = max(1, (console.height - _HEAD_LINES - body - links - 2) // _VIOLATION_LINES)
    layout = Layout()
    layout.split_column(
        Layout(_headline(scene, account), size=_HEAD_LINES),
        Layout(name="body", size=body),
        Layout(_violations(account.violations[:room], console), minimum_size=3),
        Layout(_links(scene, account), size=links),
    )
    ledger = _ledger_by_partition(account) if roomy else _ledger_totals(account)
    layout["body"].split_row(
        Layout(
            Group(
                Panel(_throughput(scene, account), title="throughput", border_style="blue"),
                Panel(ledger, title="ledger", border_style="blue"),
            ),
            ratio=5,
        ),
        Layout(
            Panel(_verdicts(account, body - 6, bars=roomy), title="verdicts", border_style="blue"),
            ratio=4,
        ),
    )
    return layout


def _headline(scene: Scene, account: Account) -> RenderableType:
    minutes, seconds = divmod(int(scene.seconds), 60)
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    left = Text("purposewatch", style="bold cyan")
    left.append(f"  {scene.title}", style="default")
    right = Text(f"{scene.phase}  {minutes:02d}:{seconds:02d}")
    restarts = account.restarts()
    right.append(f"  restarts: {restarts}", style="bold yellow" if restarts else "dim")
    line.add_row(left, right)
    return line


def _throughput(scene: Scene, account: Account) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(justify="right")
    for name, rate, total in (
        ("accepted", scene.rates.accepted, account.events),
        ("audited", scene.rates.audited, account.verdicts),
    ):
        speed = Text(f"{rate:,.0f} events/s", style="bold")
        table.add_row(Text(name, style="dim"), speed, f"{total:,}")
    latency = "-"
    if account.latency is not None:
        median, high = account.latency
        latency = f"half in {median * 1000:,.0f} ms, 95 % in {high * 1000:,.0f} ms"
    line = Text("to verdict  ", style="dim", no_wrap=True).append(latency, style="not dim")
    return Group(table, line)


def _ledger_by_partition(account: Account) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for name in ("", "events", "verdicts", "dead", "unaccounted", "pending", ""):
        table.add_column(name, justify="right", no_wrap=True)
    shown = account.ledger if len(account.ledger) <= _PARTITIONS_SHOWN else ()
    for each in shown:
        table.add_row(
            str(each.partition),
            "?" if each.events is None else f"{each.events:,}",
            f"{each.verdicts:,}",
            f"{each.dead_letters:,}",
            f"{each.unaccounted:,}",
            "?" if each.pending is None else f"{each.pending:,}",
            _state(reconciled=each.reconciled is True, unaccounted=each.unaccounted),
            style="dim",
        )
    table.add_row(
        "all",
        f"{account.events:,}",
        f"{account.verdicts:,}",
        f"{account.dead_letters:,}",
        f"{account.unaccounted:,}",
        f"{account.pending:,}",
        _state(reconciled=account.reconciled, unaccounted=account.unaccounted),
        style="bold",
    )
    return table


def _ledger_totals(account: Account) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for _ in range(2):
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
    state = _state(reconciled=account.reconciled, unaccounted=account.unaccounted)
    table.add_row(f"{account.events:,}", "events", f"{account.unaccounted:,}", "unaccounted")
    table.add_row(f"{account.verdicts:,}", "verdicts", f"{account.pending:,}", "pending")
    table.add_row(f"{account.dead_letters:,}", "dead letters", "", state)
    return table


def _state(*, reconciled: bool, unaccounted: int) -> Text:
    if reconciled:
        return Text("reconciled", style="green")
    return Text("open", style="red") if unaccounted else Text("under way", style="yellow")


def _verdicts(account: Account, kinds_shown: int, *, bars: bool) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, min_width=_BAR if bars else 0)
    for outcome in (Outcome.PERMITTED, Outcome.VIOLATION, Outcome.UNKNOWN):
        style = OUTCOME_STYLES[outcome]
        count = Text(f"{account.outcomes[outcome]:,}", style=style)
        table.add_row(Text(outcome, style=style), count, "")
    found = [kind for kind in Kind if account.kinds[kind]]
    if len(found) > kinds_shown:
        found = sorted(found, key=lambda kind: -account.kinds[kind])[:kinds_shown]
    most = max(account.kinds.values(), default=0)
    for kind in found:
        bar = "━" * max(1, round(_BAR * account.kinds[kind] / most)) if bars else ""
        table.add_row(f"  {kind}", f"{account.kinds[kind]:,}", Text(bar, style="red"))
    extras = Text(f"{account.duplicates:,} duplicates, ", style="dim", no_wrap=True)
    extras.append(f"{account.dead_lettered.total():,} dead letters")
    return Group(table, extras)


def _violations(latest: Sequence[FoundViolation], console: Console) -> RenderableType:
    parts: list[RenderableType] = []
    for each in latest:
        head = Text(no_wrap=True, overflow="ellipsis")
        head.append(f"{printable(each.time)}  ", style="dim")
        head.append(printable(each.kind), style="bold red")
        head.append(f"  {printable(each.role)}", style="bold")
        head.append(f" to {printable(each.recipient)}")
        head.append(f"  {printable(each.clause)}  {printable(each.publisher)}", style="dim")
        parts.append(head)
        sentence = Text(printable(each.sentence, limit=1_000))
        width = max(20, console.width - 4)
        lines = sentence.wrap(console, width)
        if len(lines) > _SENTENCE_LINES:
            last = lines[_SENTENCE_LINES - 1]
            last.truncate(width - 1)
            last.append("…")
        parts.extend(lines[:_SENTENCE_LINES])
    if not parts:
        parts.append(Text("none yet", style="dim"))
    return Panel(Group(*parts), title="latest violations", border_style="red")


def _links(scene: Scene, account: Account) -> RenderableType:
    parts: list[RenderableType] = []
    if scene.sign_in is not None:
        parts.append(_way_in(scene.sign_in))
    table = Table.grid(padding=(0, 2))
    for each in account.services:
        up = Text("up", style="green") if each.answers else Text("down", style="bold red")
        links = [f"{each.url}/metrics"]
        if each.name in {"ingest", "reporter"}:
            links.insert(0, f"{each.url}/docs")
        if each.name == "reporter":
            links.insert(0, f"{each.url}/api/v1/violations")
        table.add_row(Text(each.name, style="bold"), up, Text("  ".join(links), style="cyan"))
    return Panel(
        Group(*parts, table),
        title="services",
        subtitle="Ctrl-C: stop feeding, check the ledger, end",
        border_style="blue",
    )


def _way_in(sign_in: SignIn) -> Text:
    line = Text("page  ", style="bold", no_wrap=True)
    line.append(printable(sign_in.url), style="not bold cyan")
    line.append("  sign in: ", style="not bold")
    return line.append(printable(f"{sign_in.username} {sign_in.password}"))


def plain_sign_in(sign_in: SignIn) -> str:
    """The way to the compliance page, for output that is not a terminal."""
    return (
        f"compliance page: {sign_in.url}, sign in as {sign_in.username} "
        f"with {sign_in.password}, while this runs"
    )


def plain_line(scene: Scene, account: Account) -> str:
    """The same in one line, for output that is not a terminal."""
    state = "reconciled" if account.reconciled else "under way"
    return (
        f"{scene.seconds:6.1f} s  {scene.phase}: {account.events:,} events "
        f"({scene.rates.accepted:,.0f}/s), {account.verdicts:,} audited "
        f"({scene.rates.audited:,.0f}/s), {account.outcomes[Outcome.VIOLATION]:,} violations, "
        f"{account.duplicates:,} duplicates, {account.dead_lettered.total():,} dead letters, "
        f"{account.pending:,} pending, {account.unaccounted:,} unaccounted, {state}, "
        f"restarts: {account.restarts()}"
    )
