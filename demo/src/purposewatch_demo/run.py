"""Runs a demonstration: set the stage, feed, watch, wait for the ledger, clear up."""

import asyncio
import contextlib
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from purposewatch_cli.terminal import console, counted, errors_console, printable
from purposewatch_contract import RAW, topic_name
from purposewatch_demo.account import Account
from purposewatch_demo.deliver import Sender
from purposewatch_demo.embedded_broker import EmbeddedBrokerError
from purposewatch_demo.feed import Feeder, Pace
from purposewatch_demo.fleet import StartError, check
from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.interrupts import Interrupts
from purposewatch_demo.pipeline import Pipeline, local_pipeline
from purposewatch_demo.processes import Service, ServiceDiedError
from purposewatch_demo.recording import Recording, UnusableRecordingError
from purposewatch_demo.screen import Screen
from purposewatch_demo.stage import NOTHING, PortTakenError
from purposewatch_demo.summary import show_summary, show_verdicts
from purposewatch_demo.topics import CLIENT_ID, ClusterAwayError
from purposewatch_demo.traffic import Batch, Traffic
from purposewatch_demo.verify import Settling, faults
from purposewatch_demo.watch import ServiceWatch
from purposewatch_runtime.kafka import build_producer
from purposewatch_runtime.settings import faults as settings_faults

SUCCESS, FAILURE, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

_REFRESH_SECONDS = 1.0
_DELIVERY_SECONDS = 60.0
_LARGEST = 40
_LARGEST_FLAT_OUT = 400


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    policies: Path
    seconds: float | None
    events: Path | None
    rate: float
    seed: int
    picture: Path | None = None


def run(options: Options) -> int:
    """Run it and return the exit status."""
    # what aiokafka has to say about a broker that comes and goes would tear the picture
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    directory = Path(tempfile.mkdtemp(prefix="purposewatch-demo-"))
    status = FAILURE
    try:
        status = asyncio.run(_Demonstration(options, directory, console()).run())
    except (
        ClusterAwayError,
        EmbeddedBrokerError,
        PortTakenError,
        StartError,
        UnusableRecordingError,
        ValidationError,
    ) as error:
        status = UNUSABLE
        _complain(_explained(error))
    except ServiceDiedError as error:
        _complain(str(error))
    except asyncio.CancelledError:
        status = INTERRUPTED
    finally:
        if status in {FAILURE, UNUSABLE} and any(directory.glob("*.log")):
            _complain(f"the services' logs are in `{directory}`")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return status


class _Demonstration:
    def __init__(self, options: Options, directory: Path, out: Console) -> None:
        self._options = options
        self._directory = directory
        self._out = out
        self._interrupts = Interrupts()

    async def run(self) -> int:
        """Set the stage, play, and clear up whatever happens."""
        self._interrupts.take()
        recording = Recording(self._options.events) if self._options.events else None
        plan = planned_traffic()
        controllers = recording.controllers if recording else plan.controllers_by_publisher
        async with AsyncExitStack() as stack:
            with self._out.status("starting") as status:
                pipeline = await stack.enter_async_context(
                    local_pipeline(
                        self._directory,
                        self._options.policies,
                        controllers,
                        facts=NOTHING if recording else plan.facts_by_system,
                        report=status.update,
                        complain=_complain,
                    )
                )
            return await self._play(pipeline, recording)

    async def _play(self, pipeline: Pipeline, recording: Recording | None) -> int:
        stage, services = pipeline.stage, pipeline.services
        ingest = httpx.AsyncClient(
            base_url=pipeline.ingest_url, timeout=httpx.Timeout(30.0), trust_env=False
        )
        producer = build_producer(stage.kafka, client_id=CLIENT_ID)
        async with ingest, contextlib.AsyncExitStack() as stack:
            await producer.start()
            stack.push_async_callback(producer.stop)
            sender = Sender(
                ingest,
                producer,
                raw_topic=topic_name(stage.kafka.topic_prefix, RAW),
                keys=stage.keys,
            )
            feeder = Feeder(self._source(recording), sender.deliver, Pace(self._options.rate))
            watch = ServiceWatch(pipeline.client, services)
            title = "embedded broker" if pipeline.embedded else stage.kafka.kafka_bootstrap_servers
            self._interrupts.begin_gently()
            begun = time.monotonic()
            record = self._options.picture
            with Screen(self._out, title, begun, sign_in=pipeline.sign_in, record=record) as screen:
                feeding = asyncio.create_task(feeder.run())
                try:
                    await self._watch(screen, watch, services, feeding, begun)
                    feeder.stop()
                    await self._deliver_the_rest(screen, watch, feeding)
                    fed_until = time.monotonic()
                    settling = Settling(sender.deliveries)
                    while not settling.done(await self._look(screen, watch, "settling")):
                        check(services)
                        await asyncio.sleep(_REFRESH_SECONDS / 2)
                finally:
                    feeding.cancel()
                    await asyncio.gather(feeding, return_exceptions=True)
            ended = settling.last_change or fed_until
            show_summary(
                self._out,
                sender.deliveries,
                watch.account,
                seconds=ended - begun,
                rate=self._options.rate,
            )
            if recording is not None:
                show_verdicts(self._out, watch.account, self._options.events)
                if recording.faulty:
                    left_out = counted(recording.faulty, "line")
                    self._out.print(Text(f"{left_out} held no event and could not be sent"))
            wrong = list(faults(sender.deliveries, watch.account))
            for each in wrong:
                self._out.print(Text(printable(each), style="bold red"))
            return FAILURE if wrong else SUCCESS

    def _source(self, recording: Recording | None) -> Callable[[], Batch | None]:
        largest = _LARGEST if self._options.rate else _LARGEST_FLAT_OUT
        if recording is not None:
            supply = recording.batches(largest)
            return lambda: next(supply, None)
        traffic = Traffic(planned_traffic(), seed=self._options.seed, largest=largest)
        return lambda: traffic.next(datetime.now(UTC))

    async def _watch(
        self,
        screen: Screen,
        watch: ServiceWatch,
        services: dict[str, Service],
        feeding: asyncio.Task[None],
        begun: float,
    ) -> None:
        """Show how it goes until it is time to stop feeding."""
        seconds = self._options.seconds
        until = None if seconds is None else begun + seconds
        while not (self._interrupts.ending.is_set() or feeding.done()):
            check(services)
            await self._look(screen, watch, "feeding")
            pause = _REFRESH_SECONDS
            if until is not None:
                pause = min(pause, until - time.monotonic())
                if pause <= 0:
                    return
            ending = asyncio.create_task(self._interrupts.ending.wait())
            await asyncio.wait(
                {ending, feeding}, timeout=pause, return_when=asyncio.FIRST_COMPLETED
            )
            ending.cancel()

    async def _deliver_the_rest(
        self, screen: Screen, watch: ServiceWatch, feeding: asyncio.Task[None]
    ) -> None:
        give_up = time.monotonic() + _DELIVERY_SECONDS
        while not feeding.done() and time.monotonic() < give_up:
            await self._look(screen, watch, "delivering the rest")
            await asyncio.wait({feeding}, timeout=_REFRESH_SECONDS / 2)
        if feeding.done():
            feeding.result()

    @staticmethod
    async def _look(screen: Screen, watch: ServiceWatch, phase: str) -> Account:
        account = await watch.refresh()
        screen.show(phase, account)
        return account


def _explained(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "\n".join(settings_faults(error))


def _complain(message: str) -> None:
    sys.stdout.flush()
    for line in message.splitlines():
        errors_console().print(Text(printable(line, limit=2_000)), soft_wrap=True)
