"""The command `purposewatch replay`."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from purposewatch_cli.kafka import TopicReader, fail, run_on_kafka, say
from purposewatch_cli.policy.loading import DEFAULT_POLICIES, PoliciesOption, load_or_exit
from purposewatch_cli.replay.history import FactHistory
from purposewatch_cli.replay.judge import Difference, Rejudge, Wanted
from purposewatch_cli.replay.report import as_json, show, show_summary, summary_as_json
from purposewatch_cli.terminal import console, counted
from purposewatch_cli.times import parse_time
from purposewatch_contract import FACTS, VERDICTS
from purposewatch_contract.codec import FastVerdictCodec
from purposewatch_policy import PolicySet
from purposewatch_runtime.settings import KafkaSettings

_AT_ONCE = 2_000
_DIFFERENT = 1


def replay(  # noqa: PLR0913 - one for each option
    *,
    affected_by: Annotated[
        str, typer.Option("--affected-by", metavar="FACT", help="The fact that was stated late.")
    ],
    controller: Annotated[str | None, typer.Option(help="Only events of this controller.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only events since, `2026-03-02T08:15:00Z` or `90m` ago."),
    ] = None,
    policies: PoliciesOption = DEFAULT_POLICIES,
    limit: Annotated[int, typer.Option(min=0, help="How many differences to show.")] = 100,
    as_lines: Annotated[
        bool, typer.Option("--json", help="Print JSON Lines, all of them.")
    ] = False,
) -> None:
    """Judge events again with the statements of a fact that are known now.

    Reads the topics of facts and verdicts, and changes nothing. All other facts keep the values
    that the verdicts used.

    Exit status: 0 everything would be decided as it was, 1 there are differences, 2 unusable.
    """
    loaded = load_or_exit(policies)
    wanted = Wanted(_known(affected_by, controller, loaded), controller, _time(since))

    async def run(settings: KafkaSettings) -> int:
        history = await _read_history(settings, wanted)
        judged = Rejudge(wanted, history, loaded)
        kept: list[Difference] = []
        async for difference in _differences(settings, wanted, judged):
            if as_lines:
                _print_json(as_json(difference))
            elif len(kept) < limit:
                kept.append(difference)
        if as_lines:
            _print_json(summary_as_json(judged, len(history)))
        else:
            if kept:
                show(console(), kept)
            show_summary(console(), judged, len(kept))
        return _DIFFERENT if judged.different else 0

    run_on_kafka(run)


async def _read_history(settings: KafkaSettings, wanted: Wanted) -> FactHistory:
    history = FactHistory(wanted.fact, wanted.controller)
    async for record in TopicReader(settings, FACTS, at_once=_AT_ONCE).required():
        history.add(record.key, record.value)
    if history.unreadable:
        say(f"{counted(history.unreadable, 'record')} of the fact hold no statement")
    return history


async def _differences(settings: KafkaSettings, wanted: Wanted, judged: Rejudge) -> Any:
    codec = FastVerdictCodec()
    named = f'"{wanted.fact}"'.encode()
    async for record in TopicReader(settings, VERDICTS, at_once=_AT_ONCE).required():
        value = record.value or b""
        if named not in value:  # most verdicts depend on no fact, or on others
            continue
        try:
            verdict = codec.decode(value)
        except ValidationError:
            continue  # the reporter lists it
        difference = judged.judge(verdict)
        if difference is not None:
            yield difference


def _known(fact: str, controller: str | None, policies: PolicySet) -> str:
    """The fact; ends the command if nobody could have stated it."""
    vocabularies = policies.vocabularies
    if controller is not None and controller not in vocabularies:
        fail(f"no policies are declared for `{controller}`; there are {_named(vocabularies)}")
    names = vocabularies if controller is None else (controller,)
    if not any(fact in vocabularies[name].facts for name in names):
        fail(
            f"`{fact}` is not a fact of {_named(names)}; `purposewatch vocabulary search` finds it"
        )
    return fact


def _named(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_time(text, datetime.now(UTC))
    except ValueError as error:
        fail(str(error))


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
