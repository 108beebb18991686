"""The command `purposewatch check`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.text import Text

from purposewatch_cli.check.findings import Audited, Findings, JsonValue, fault_as_json
from purposewatch_cli.check.lines import FaultyLine, read_lines
from purposewatch_cli.check.report import show
from purposewatch_cli.policy.loading import (
    DEFAULT_POLICIES,
    UNUSABLE,
    FactsOption,
    PoliciesOption,
    load_facts_or_exit,
    load_or_exit,
    subject_of,
)
from purposewatch_cli.terminal import console, errors_console, printable
from purposewatch_policy import PolicySet, decide
from purposewatch_policy.files import StatedFacts

_PROGRESS_EVERY = 2_000


def check(
    events: Annotated[
        str,
        typer.Argument(
            metavar="EVENTS.jsonl", help="File with one event on each line; `-` is standard input."
        ),
    ],
    policies: PoliciesOption = DEFAULT_POLICIES,
    facts: FactsOption = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each line of input.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="How many findings and invalid lines to show.")
    ] = 100,
) -> None:
    """Audit a file of events against the declared policies, without Kafka or a database.

    Without `--facts`, the facts that an event states are believed.

    Exit status: 0 everything is permitted, 1 there are violations or events that can't be
    judged, 2 there are lines that hold no valid event, or the input is unusable.
    """
    loaded = load_or_exit(policies)
    stated = load_facts_or_exit(facts, loaded)
    findings = Findings(keep=limit, stated_facts=None if stated is None else stated.number)
    with _opened(events) as stream, errors_console().status("auditing") as status:
        for finding in _audit(stream, loaded, stated):
            if isinstance(finding, FaultyLine):
                findings.add_fault(finding)
            else:
                findings.add(finding)
            if as_json:
                _print_json(
                    fault_as_json(finding) if isinstance(finding, FaultyLine) else finding.as_json()
                )
            if finding.number % _PROGRESS_EVERY == 0:
                status.update(f"line {finding.number:,}, {findings.found:,} findings")
    if as_json:
        _print_json(findings.as_json())
    else:
        show(console(), findings)
    raise typer.Exit(findings.exit_status)


def _audit(
    stream: BinaryIO, policies: PolicySet, facts: StatedFacts | None
) -> Iterator[Audited | FaultyLine]:
    for line in read_lines(stream):
        if isinstance(line, FaultyLine):
            yield line
        else:
            flow, at = line.event.data, line.event.time
            ledger = None if facts is None else facts.at(flow.controller, subject_of(flow), at)
            decision = decide(flow, at, policies, ledger)
            yield Audited(line.number, line.event, decision)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as stream:
            stream.peek(1)  # a directory opens on some systems and fails only here
            yield stream
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        message = f"can't read `{name}`: {reason}; name a file with one event on each line"
        errors_console().print(Text(printable(message)))
        raise typer.Exit(UNUSABLE) from error


def _print_json(value: JsonValue) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
