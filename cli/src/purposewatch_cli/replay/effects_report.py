"""Shows to a person what a new policy would have decided."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from purposewatch_cli.replay.verify import Verification
from purposewatch_cli.terminal import OUTCOME_STYLES, counted, printable
from purposewatch_policy import Outcome

_CHANGES = {
    "becomes_violation": "would become a violation",
    "becomes_permitted": "would be permitted",
    "changes_kind": "would be decided for another reason",
    "becomes_unknown": "could not be judged",
    "not_known": "is not known",
    "unchanged": "unchanged",
}
_SHOWN_DIFFERENCES = 20


def show_answer(console: Console, answer: Mapping[str, Any]) -> None:
    """Print the effects, then the numbers and what they leave out."""
    for change, words in _CHANGES.items():
        effects = [each for each in answer["effects"] if each["change"] == change]
        if effects:
            console.print(Text(words.upper(), style="bold"))
            console.print(_table(effects))
    left = answer["all_effects"] - len(answer["effects"])
    if left:
        more = f"... and {counted(left, 'more flow')}; `--limit` shows more, the page exports all"
        console.print(Text(more, style="dim"))
    for change, words in _CHANGES.items():
        amount = answer["totals"][change]
        if amount["events"]:
            accesses = f", {amount['accesses']:,} accesses" * (
                amount["accesses"] != amount["events"]
            )
            console.print(
                f"{counted(amount['events'], 'event')}{accesses} of "
                f"{counted(amount['flows'], 'flow')}: {words}"
            )
    for name, why in (
        ("other", "are beyond the limit of distinct flows"),
        ("carried", "were counted by an earlier version"),
    ):
        if answer[name]["events"]:
            events = counted(answer[name]["events"], "event")
            console.print(Text(f"{events} {why}, and are not decided", style="yellow"))
    for each in answer["not_stated"]:
        what = each["term"] or "anything"
        said = f"no event states {what} as {each['dimension']}, on which the policy depends"
        console.print(Text(printable(said.replace("_", " ")), style="yellow"))


def show_verification(console: Console, found: Verification) -> None:
    """Print what came of deciding events again."""
    for each in found.differences[:_SHOWN_DIFFERENCES]:
        text = Text(printable(f"{each.verdict.event_source} {each.verdict.event_id}"), "bold")
        text.append(f"\n    decided again: {printable(each.expected)}", style="not bold")
        text.append(f"\n    the answer:    {printable(each.answered)}", style="not bold")
        console.print(text)
    style = "bold red" if found.differences else "bold green"
    result = counted(len(found.differences), "difference") if found.differences else "no difference"
    beyond = f"; {found.beyond:,} may be beyond the limit of flows" if found.beyond else ""
    console.print(
        Text(
            f"{counted(found.events, 'event')} of {counted(found.flows, 'flow')} read again and "
            f"decided: {result}{beyond}",
            style=style,
        )
    )


def _table(effects: list[Mapping[str, Any]]) -> Table:
    table = Table(header_style="bold", expand=True, pad_edge=False, show_lines=True)
    table.add_column("events", justify="right")
    table.add_column("flow", overflow="fold", ratio=5)
    table.add_column("before", overflow="fold", ratio=4)
    table.add_column("after", overflow="fold", ratio=4)
    table.add_column("publishers\nlast seen", overflow="fold", ratio=2)
    for each in effects:
        table.add_row(
            f"{each['events']:,}",
            _flow(each["flow"]),
            _decided(each["before"]),
            _decided(each["after"]) if each["after"] else _missing(each),
            Text(printable(", ".join(each["publishers"]))).append(
                f"\n{each['last_time'][:16].replace('T', ' ')}", style="dim"
            ),
        )
    return table


def _flow(flow: Mapping[str, Any]) -> Text:
    text = Text(printable(", ".join(flow["data_categories"])))
    what = f"{flow['role']}: {flow['operation']} -> {flow['recipient']} for {flow['purpose']}"
    return text.append(f"\n{printable(what)}", style="dim")


def _decided(decided: Mapping[str, Any]) -> Text:
    text = Text(
        printable(decided["kind"] or decided["outcome"]),
        style=OUTCOME_STYLES[Outcome(decided["outcome"])],
    )
    named = {each["statement"]: each["is_nearest_miss"] for each in decided["categories"]}
    for statement, is_miss in named.items():
        if statement:
            nearest = "nearest: " if is_miss else ""
            text.append(f"\n{nearest}{printable(statement)}", style="not bold default")
    return text


def _missing(effect: Mapping[str, Any]) -> Text:
    facts = ", ".join(effect["missing_facts"])
    return Text("not known", style="yellow").append(f"\nwithout {printable(facts)}", "default")
