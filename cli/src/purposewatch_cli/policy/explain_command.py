"""The command `purposewatch policy explain`."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from purposewatch_cli.policy.explain.as_json import as_json as explanation_as_json
from purposewatch_cli.policy.explain.query import (
    MAX_BYTES,
    Query,
    UnusableError,
    parse_facts,
    read_query,
)
from purposewatch_cli.policy.explain.report import show
from purposewatch_cli.policy.loading import (
    DEFAULT_POLICIES,
    UNUSABLE,
    FactsOption,
    LanguageTag,
    PoliciesOption,
    load_facts_or_exit,
    load_or_exit,
)
from purposewatch_cli.terminal import console, errors_console, printable
from purposewatch_policy import LedgerValues, Outcome
from purposewatch_policy import explain as explained
from purposewatch_policy.files import StatedFacts


def explain(  # noqa: PLR0913 - one option for each field of a flow
    event: Annotated[
        str | None,
        typer.Argument(
            metavar="[EVENT]",
            help="File with one event, or the flow of one, as JSON; `-` is standard input.",
        ),
    ] = None,
    policies: PoliciesOption = DEFAULT_POLICIES,
    facts: FactsOption = None,
    *,
    controller: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose policy decides.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(metavar="TERM", help="Role of the data subject.")
    ] = None,
    operation: Annotated[
        str | None,
        typer.Option(
            metavar="TERM",
            help="What is done: `collect`, `use`, `store`, `share`, `erase`, or a term below.",
        ),
    ] = None,
    purpose: Annotated[str | None, typer.Option(metavar="TERM", help="What for.")] = None,
    recipient: Annotated[
        str | None,
        typer.Option(
            metavar="TERM", help="Who gets the data; `first_party` is the controller itself."
        ),
    ] = None,
    data_category: Annotated[
        list[str] | None,
        typer.Option(metavar="TERM", help="Category of data; can be given several times."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="TERM", help="Where the data came from.")
    ] = None,
    location: Annotated[
        str | None, typer.Option(metavar="TERM", help="Where the data are stored.")
    ] = None,
    retention_days: Annotated[
        int | None, typer.Option(metavar="DAYS", help="How long the data are kept.")
    ] = None,
    legal_basis: Annotated[
        str | None, typer.Option(metavar="TERM", help="Legal basis that the event claims.")
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=true|false]",
            help="A fact, and whether it holds; repeatable; replaces the facts of EVENT.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="When, RFC 3339; the event's own time, or else now."),
    ] = None,
    lang: Annotated[LanguageTag, typer.Option(help="Language of the explanation.")] = (
        LanguageTag.EN
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain how one event is decided, and the smallest change that would make it permitted.

    Options state a flow, or what would be different about the flow of EVENT. Without `--facts`,
    its facts are believed.

    Exit status: 0 permitted, 1 a violation or can't be judged, 2 the input is unusable.
    """
    flags: dict[str, object] = {
        "controller": controller,
        "role": role,
        "operation": operation,
        "purpose": purpose,
        "recipient": recipient,
        "data_categories": data_category or None,
        "source": source,
        "location": location,
        "retention_days": retention_days,
        "legal_basis": legal_basis,
    }
    try:
        flags["facts"] = parse_facts(fact) if fact else None
        query = read_query(
            None if event is None else _content(event),
            {name: value for name, value in flags.items() if value is not None},
            at,
            datetime.now(UTC).replace(microsecond=0),
        )
        loaded = load_or_exit(policies)
        ledger = _ledger(query, load_facts_or_exit(facts, loaded))
    except UnusableError as error:
        for complaint in error.complaints:
            errors_console().print(Text(printable(complaint)), soft_wrap=True)
        raise typer.Exit(UNUSABLE) from error
    explanation = explained(query.flow, query.at, loaded, lang.value, ledger)
    if as_json:
        typer.echo(json.dumps(explanation_as_json(explanation), indent=2))
    else:
        show(console(), explanation)
    raise typer.Exit(0 if explanation.decision.outcome is Outcome.PERMITTED else 1)


def _ledger(query: Query, facts: StatedFacts | None) -> LedgerValues | None:
    if facts is None:
        return None
    if query.subject is None:
        message = "`--facts` has statements by subject; name a file with an event"
        raise UnusableError(message)
    return facts.at(query.flow.controller, query.subject, query.at)


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(name).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        message = f"can't read `{name}`: {reason}; name a file with one event"
        raise UnusableError(message) from error
