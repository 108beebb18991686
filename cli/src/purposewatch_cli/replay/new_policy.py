"""Ask the reporter what a new policy would have decided, and verify it on events of Kafka."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import typer

from purposewatch_cli.kafka import fail, run_on_kafka
from purposewatch_cli.replay.effects_report import show_answer, show_verification
from purposewatch_cli.replay.last_verdicts import read_last
from purposewatch_cli.replay.verify import Verification, flow_of, verify
from purposewatch_cli.reporter_api import ReporterApi, ReporterError
from purposewatch_cli.terminal import console, print_json
from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import CompiledPolicy, compile_candidate
from purposewatch_policy.files import UnusableVersionError, read_version, version_texts_of
from purposewatch_runtime.settings import KafkaSettings

_CHANGES = 1
_DIFFERENT = 1
_ASK_AGAIN_SECONDS = 1.0
_ASK_AGAIN = 20
"""The reporter may still have to record the last events."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was asked."""

    named: str
    policies: Path
    controller: str | None
    since: datetime | None
    reporter: str
    limit: int
    verify: int


def replay_policy(asked: Asked, *, as_lines: bool) -> NoReturn:
    """Print what would change, verify it if that is asked for, and end the command."""
    try:
        compiled = read_version(asked.named, asked.policies, asked.controller)
        api = ReporterApi(asked.reporter, os.environ.get("PURPOSEWATCH_REPORTER_API_TOKEN"))
        question = _question(asked, compiled)
        answer = api.post("/what-if", {**question, "limit": asked.limit})
    except (UnusableVersionError, ReporterError) as error:
        fail(str(error))
    if as_lines:
        for effect in answer["effects"]:
            print_json({"type": "effect", **effect})
        print_json({"type": "summary", **answer, "effects": len(answer["effects"])})
    else:
        show_answer(console(), answer)
    if not asked.verify:
        raise typer.Exit(_CHANGES if answer["all_effects"] else 0)
    candidate = compile_candidate(compiled.policy, compiled.vocabulary).compiled
    if candidate.digest != answer["digest"]:
        fail(
            f"the reporter reads the policy otherwise than `{asked.policies}` has it: their "
            "vocabularies differ; name the reporter's directory with `--policies`"
        )

    async def run(settings: KafkaSettings) -> int:
        verdicts = await read_last(
            settings,
            asked.verify,
            controller=candidate.policy.controller,
            since=answer["since"] and datetime.fromisoformat(answer["since"]),
        )
        try:
            found = await _verified(api, question, candidate, verdicts)
        except ReporterError as error:
            fail(str(error))
        if as_lines:
            print_json(found.as_json())
        else:
            show_verification(console(), found)
        return _DIFFERENT if found.differences else 0

    run_on_kafka(run)


def _question(asked: Asked, compiled: CompiledPolicy) -> dict[str, Any]:
    texts = version_texts_of(asked.named, compiled)
    if not texts:
        message = f"`{asked.named}` can't be read any more; try again"
        raise UnusableVersionError(message)
    head, *parts = (each.text for each in texts)
    question = {"policy": head, "parts": parts, "controller": compiled.policy.controller}
    return question if asked.since is None else {**question, "since": asked.since.isoformat()}


async def _verified(
    api: ReporterApi,
    question: Mapping[str, Any],
    candidate: CompiledPolicy,
    verdicts: Sequence[DecodedVerdict],
) -> Verification:
    """Compare; ask again while the reporter does not know all of the events."""
    flows = sorted({flow_of(each) for each in verdicts})
    for number in range(_ASK_AGAIN):
        answer = await asyncio.to_thread(api.post, "/what-if", {**question, "flows": flows})
        found = verify(verdicts, answer, candidate)
        if not found.missing or number == _ASK_AGAIN - 1:
            return found
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
    raise AssertionError
