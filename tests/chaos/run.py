"""One run: load and faults, and after both have ended the comparison with the oracle."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx

from purposewatch_contract import DEAD_LETTERS, EVENTS, FACTS, RAW
from purposewatch_policy import load_policies
from tests.chaos.audit_oracle import Audited, check_verdicts
from tests.chaos.differences import Differences
from tests.chaos.disk import COMPLAINTS, small_disk
from tests.chaos.evidence import LedgerFound, TopicReader, read_ledger
from tests.chaos.fact_oracle import FactOracle
from tests.chaos.faults import Faults
from tests.chaos.ingest_oracle import check_ingest
from tests.chaos.ledger_oracle import as_numbers, check_ledger
from tests.chaos.plan import REPORTERS, Action, disk_plan, kills_plan, make_plan
from tests.chaos.senders import Senders
from tests.chaos.supply import Supply
from tests.chaos.world import Setting, World
from tests.harness.facts import policies_with_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.chaos.disk import Disk
    from tests.chaos.plan import Step


PLANTS = {
    "answer-before-confirm": "ingest",
    "commit-before-produce": "auditor",
    "decide-without-waiting": "auditor",
    "forget-ledger": "reporter",
}
"""Faults that can be planted, and in which service."""

_SETTLE_SECONDS = 180.0
_FINISH_SECONDS = 90.0
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to run."""

    seed: int
    seconds: float
    rate: float = 150.0
    scenario: Literal["short", "long", "kills", "disk"] = "long"
    plant: str | None = None
    quiet_seconds: float = 30.0
    """How long nothing may move, after the end, before what is missing counts as lost. Longer
    than the longest pause between two attempts of a service."""
    statement_seconds: float = 15.0
    """For one more comparison of the ledger with Kafka. A failed one takes five seconds."""


@dataclass(slots=True)
class Result:
    """The outcome of a run."""

    options: Options
    steps: Sequence[Step]
    differences: Differences
    figures: list[str] = field(default_factory=list)
    kept: Path | None = None
    """Where the logs are, after a failure."""

    def lines(self) -> list[str]:
        """The report."""
        if not self.differences:
            return ["", *self.figures, "PASSED: nothing lost, nothing counted twice"]
        plant = f" PLANT={self.options.plant}" if self.options.plant else ""
        again = (
            f"make chaos SEED={self.options.seed} SECONDS={self.options.seconds:g} "
            f"SCENARIO={self.options.scenario}{plant}"
        )
        return [
            "",
            *self.figures,
            "FAILED:",
            *self.differences.lines(),
            f"logs kept in {self.kept}",
            f"repeat the same plan with: {again}",
        ]


def steps_of(options: Options) -> list[Step]:
    """The plan of a run."""
    if options.scenario == "disk":
        return disk_plan(options.seed, options.seconds)
    if options.scenario == "kills":
        return kills_plan(options.seed, options.seconds)
    return make_plan(options.seed, options.seconds, short=options.scenario == "short")


async def run(options: Options, write: Callable[[str], None]) -> Result:
    """Carry out a run; `write` gets the event log line by line."""
    directory = Path(tempfile.mkdtemp(prefix="purposewatch-chaos-"))
    result = Result(options, steps_of(options), Differences())
    try:
        async with AsyncExitStack() as stack:
            setting = _setting(options, directory)
            world = World(setting)
            disk = None
            if setting.sqlite is not None:
                mounted = stack.enter_context(ExitStack())
                writer = partial(_pid, world, REPORTERS[0])
                disk = small_disk(setting.sqlite.parent, mounted, writer)
            await stack.enter_async_context(world)
            await _Run(options, world, disk, result, write).carry_out()
    except BaseException:
        write(f"logs kept in {directory}")
        raise
    if result.differences:
        result.kept = directory
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return result


def _pid(world: World, name: str) -> int:
    return world.services[name].pid


def _setting(options: Options, directory: Path) -> Setting:
    modules = {}
    if options.plant is not None:
        stand_in = options.plant.replace("-", "_")
        modules = {PLANTS[options.plant]: f"tests.chaos.plants.{stand_in}"}
    policies = policies_with_ledger(directory / "declared")
    if options.scenario == "disk":
        return Setting(
            directory,
            policies,
            brokers=1,
            auditors=("auditor-1",),
            extra_auditor=False,
            reporters=REPORTERS[:1],
            sqlite=directory / "disk" / "ledger.db",
            modules=modules,
        )
    extra = any(step.action is Action.ADD for step in steps_of(options))
    return Setting(directory, policies, extra_auditor=extra, modules=modules)


class _Run:
    def __init__(
        self,
        options: Options,
        world: World,
        disk: Disk | None,
        result: Result,
        write: Callable[[str], None],
    ) -> None:
        self._options = options
        self._world = world
        self._result = result
        self._write = write
        self._supply = Supply(options.seed)
        self._senders = Senders(world, self._supply, rate=options.rate, seed=options.seed)
        self._faults = Faults(world, self._tell, reloaded=self._supply.turn, disk=disk)
        self._begun = time.monotonic()

    def _tell(self, what: str) -> None:
        self._write(f"{time.monotonic() - self._begun:7.1f} s  {what}")

    async def carry_out(self) -> None:
        self._begun = time.monotonic()
        self._tell("load started")
        sending = asyncio.create_task(self._senders.run())
        try:
            await self._faults.carry_out(self._result.steps)
            left = self._begun + self._options.seconds - time.monotonic()
            await asyncio.sleep(max(0.0, left))
            self._senders.stop()
            self._tell("load stopped")
            await asyncio.wait([sending], timeout=_FINISH_SECONDS)
            self._faults.note_exited_services()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        async with TopicReader(self._world) as reader:
            await self._settle(reader)
            await self._ask_the_reporters()
            await self._world.stop_services()
            await reader.catch_up()
            self._compare(reader, await read_ledger(self._world.database_url))

    async def _settle(self, reader: TopicReader) -> None:
        """Return when everything is accounted for, or nothing has changed for long."""
        give_up = time.monotonic() + _SETTLE_SECONDS
        moved, seen = time.monotonic(), None
        while time.monotonic() < give_up:
            await reader.catch_up()
            ledger = await read_ledger(self._world.database_url)
            state = (reader.topics.sizes, ledger.accounted_for, len(ledger.dead_letters))
            if state != seen:
                moved, seen = time.monotonic(), state
            elif self._is_complete(reader, ledger):
                self._tell(f"settled: {ledger.accounted_for} events accounted for")
                return
            elif time.monotonic() - moved > self._options.quiet_seconds:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        self._tell("not settled: something is missing")

    def _is_complete(self, reader: TopicReader, ledger: LedgerFound) -> bool:
        topics = reader.topics
        origins = {
            value.partition(b'"origin":"')[2].partition(b'"')[0]
            for name in (EVENTS, FACTS)
            for value in topics[name].values()
        }
        passed_on = len(origins - {b"http", b""})
        dead_lettered = sum(letter[3] == "ingest" for letter in ledger.dead_letters)
        return (
            passed_on + dead_lettered == len(topics[RAW])
            and ledger.accounted_for == len(topics[EVENTS])
            and len(ledger.dead_letters) <= len(topics[DEAD_LETTERS])
        )

    async def _ask_the_reporters(self) -> None:
        """Check that each reporter says that the ledger is reconciled."""
        settled = datetime.now(UTC)
        names = self._world.setting.reporters
        urls = [f"{self._world.services[name].base_url}/api/v1/ledger" for name in names]
        async with httpx.AsyncClient(timeout=10) as client:
            give_up = time.monotonic() + self._options.statement_seconds
            statements = [_statement_after(settled, client, url, give_up) for url in urls]
            for name, said in zip(names, await asyncio.gather(*statements), strict=True):
                if said != "True":
                    self._result.differences.note("the ledger is not reconciled", f"{name}: {said}")

    def _compare(self, reader: TopicReader, ledger: LedgerFound) -> None:
        differences, sent = self._result.differences, self._senders.sent
        topics, prefix = reader.topics, self._world.prefix
        for wrong in sent.wrong_answers:
            differences.note("unexpected response over HTTP", wrong)
        if self._options.scenario == "disk":
            logs = self._world.services[REPORTERS[0]].logs
            if not any(complaint in logs for complaint in COMPLAINTS):
                differences.note("unexpected", "the reporter did not log that the disk was full")
        for unexpected in self._faults.unexpected:
            differences.note("unexpected", unexpected)
        if sent.in_doubt:
            differences.note("request without a response", f"{sent.in_doubt} pieces")
        passed = check_ingest(sent, topics, prefix, differences)
        facts = FactOracle(passed.facts, self._senders.facts.stated)
        declared = load_policies(self._world.policies)
        audited = check_verdicts(passed, topics, declared, prefix, differences, facts=facts)
        numbers = check_ledger(passed, audited, ledger, prefix, differences)
        options, steps = self._options, self._result.steps
        refused = f"{sent.refused:,} requests rejected as expected"
        raced = f"{facts.raced:,} of them in a race"
        unknowable = f"{sent.unknowable:,} attempts with unknown outcome"
        self._result.figures = [
            f"seed {options.seed}, {len(steps)} steps, {options.seconds:g} s of load",
            f"sent: {sent.pieces:,} pieces certainly accepted, {refused}, {unknowable}",
            f"the oracle expects: {as_numbers(numbers)}",
            f"redelivered: {passed.repeats:,} raw records, {audited.repeats:,} verdicts",
            f"facts: {len(passed.facts):,} statements; {facts.checked:,} answers, {raced}",
            _versions(audited),
        ]


def _versions(audited: Audited) -> str:
    counted = ", ".join(f"{number:,} by {name}" for name, number in audited.by_version.items())
    return f"decided: {counted}"


async def _statement_after(
    moment: datetime, client: httpx.AsyncClient, url: str, give_up: float
) -> str:
    """Whether a reporter finds the ledger reconciled by a comparison made after that moment.

    `None` if it is still undecided, or has made no comparison, when it is time to give up.
    """
    while True:
        try:
            ledger = (await client.get(url)).json()
            if datetime.fromisoformat(ledger["as_of"]) > moment:
                said = str(ledger["reconciled"])
            else:
                said = "None, and no comparison since everything had settled"
        except (httpx.TransportError, ValueError, KeyError) as error:
            said = f"no answer ({type(error).__name__})"
        if said in {"True", "False"} or time.monotonic() > give_up:
            return said
        await asyncio.sleep(_LOOK_SECONDS)
