"""Judge events again with the statements of a fact that are known now."""

from datetime import datetime
from typing import Any, NoReturn

from pydantic import ValidationError

from purposewatch_cli.kafka import TopicReader, fail, run_on_kafka, say
from purposewatch_cli.replay.history import FactHistory
from purposewatch_cli.replay.judge import Difference, Rejudge, Wanted
from purposewatch_cli.replay.report import as_json, show, show_summary, summary_as_json
from purposewatch_cli.terminal import console, counted, print_json
from purposewatch_contract import FACTS, VERDICTS
from purposewatch_contract.codec import FastVerdictCodec
from purposewatch_policy import PolicySet
from purposewatch_runtime.settings import KafkaSettings

_AT_ONCE = 2_000
_DIFFERENT = 1


def replay_affected(
    fact: str,
    *,
    controller: str | None,
    since: datetime | None,
    policies: PolicySet,
    limit: int | None,
) -> NoReturn:
    """Judge the events again that depend on a fact, print differences, and end the command.

    Without a limit, all of them as JSON Lines.
    """
    wanted = Wanted(_known(fact, controller, policies), controller, since)

    async def run(settings: KafkaSettings) -> int:
        history = await _read_history(settings, wanted)
        judged = Rejudge(wanted, history, policies)
        kept: list[Difference] = []
        async for difference in _differences(settings, wanted, judged):
            if limit is None:
                print_json(as_json(difference))
            elif len(kept) < limit:
                kept.append(difference)
        if limit is None:
            print_json(summary_as_json(judged, len(history)))
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
