"""`python -m bench.pipeline.fairness`: what a quiet publisher gets while another one is noisy.

The quiet publisher sends one event a request at a fixed rate, first alone and then beside a noisy
one, in turns. An answer is as late as it comes after the moment at which its request was due.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.pipeline.events import submitted
from bench.pipeline.ingest import answer, connected, ingest_files, ready, whole_request
from bench.pipeline.processes import Measured, running
from bench.pipeline.stage import Stage
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.kafka_jars import missing_prerequisite

MOST = 2.0
"""How many times as late as undisturbed the quiet publisher's p99 may be."""

_QUIET, _NOISY = "reception", "membership"
_ACCEPTED, _BUSY = 202, 503
_NOISY_MODULE = "bench.pipeline.clients.noisy_publisher"
_WARM_SECONDS = 3.0
_BODY_BYTES = 500


@dataclass(frozen=True, slots=True)
class Case:
    """What the noisy publisher does."""

    title: str
    connections: int
    events: int
    """Of each request; 0 for one that trickles."""


CASES = (
    Case("130 connections, a byte a second each", 130, 0),
    Case("64 connections with batches of 1,000", 64, 1_000),
    Case("200 connections with batches of 100", 200, 100),
    Case("200 connections with single events", 200, 1),
    Case("900 connections with single events", 900, 1),
)


@dataclass(slots=True)
class Answers:
    """What the quiet publisher got."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def at(self, share: float) -> float:
        """Milliseconds within which that share of the answers came."""
        return 1000 * sorted(self.seconds)[math.ceil(share * len(self.seconds)) - 1]


@dataclass(slots=True)
class Result:
    """One case, over all rounds."""

    alone: Answers = field(default_factory=Answers)
    beside: Answers = field(default_factory=Answers)
    noisy: Counter[int] = field(default_factory=Counter)
    noisy_seconds: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times as late the quiet publisher's p99 is beside the noisy one."""
        return self.beside.at(0.99) / self.alone.at(0.99)

    @property
    def met(self) -> bool:
        """Whether the quiet publisher is served as promised."""
        return self.ratio <= MOST and set(self.beside.statuses) == {_ACCEPTED}


async def publish_quietly(
    port: int, requests: Iterator[bytes], *, rate: float, seconds: float, into: Answers
) -> None:
    """Send requests when they are due, whether or not those before are answered."""
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def send(request: bytes, due: float) -> None:
            while True:
                fresh = not idle
                connection = (
                    await stack.enter_async_context(connected(port)) if fresh else idle.pop()
                )
                reader, writer = connection
                writer.write(request)
                try:
                    status = await answer(reader)
                except (OSError, asyncio.IncompleteReadError):
                    if fresh:
                        raise
                    continue  # ingest closed it because it was idle
                into.statuses[status] += 1
                into.seconds.append(time.perf_counter() - due)
                idle.append(connection)
                return

        started = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(send(next(requests), due))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A running ingest, and how the quiet publisher publishes to it."""

    port: int
    requests: Iterator[bytes]
    rate: float
    seconds: float

    async def run(self, case: Case, request: Path, result: Result) -> None:
        """Measure the quiet publisher alone, then beside the noisy one."""
        await self._publish(_WARM_SECONDS, Answers())
        await self._publish(self.seconds, result.alone)
        arguments = ["--port", str(self.port), "--connections", str(case.connections)]
        if not case.events:
            arguments.append("--trickle")
        command = [sys.executable, "-m", _NOISY_MODULE, *arguments, str(request)]
        async with Measured(command, {}) as noisy:
            started = time.perf_counter()
            await self._publish(_WARM_SECONDS, Answers())
            await self._publish(self.seconds, result.beside)
            noisy.check()
            result.noisy_seconds += time.perf_counter() - started
            await noisy.terminate()
            counts = json.loads(noisy.logs.splitlines()[-1])
        result.noisy.update({int(status): count for status, count in counts.items()})

    async def _publish(self, seconds: float, into: Answers) -> None:
        await publish_quietly(self.port, self.requests, rate=self.rate, seconds=seconds, into=into)


async def _run(options: argparse.Namespace) -> dict[str, Result]:
    found = {case.title: Result() for case in CASES}
    async with ApacheKafka() as kafka:
        stage = Stage(kafka.bootstrap_servers)
        async with stage.topics() as prefix:
            with ingest_files() as (environment, keys), tempfile.TemporaryDirectory() as directory:
                port = int(environment["PURPOSEWATCH_INGEST_HTTP_PORT"])
                bodies = _bodies(_QUIET, 100)
                quiet = itertools.cycle([whole_request([body], keys[_QUIET]) for body in bodies])
                comparison = Comparison(port, quiet, options.rate, options.seconds)
                own = {**stage.environment(prefix), **environment}
                async with running([("-m", "purposewatch_ingest")], [own]) as processes:
                    await ready(port, processes)
                    for number, case in itertools.product(range(options.rounds), CASES):
                        request = Path(directory) / "request"
                        request.write_bytes(_noisy_request(case, keys[_NOISY]))
                        await comparison.run(case, request, found[case.title])
                        row = _row(case, found[case.title])
                        print(f"{number + 1} {row}", file=sys.stderr, flush=True)
    return found


def _bodies(publisher: str, count: int) -> list[bytes]:
    """The first events of one publisher."""
    own = (sent.body for sent in submitted(50 * count) if sent.publisher == publisher)
    return list(itertools.islice(own, count))


def _noisy_request(case: Case, key: str) -> bytes:
    if case.events:
        return whole_request(_bodies(_NOISY, case.events), key)
    return whole_request([b" " * _BODY_BYTES], key)


def _row(case: Case, result: Result) -> str:
    accepted = case.events * result.noisy[_ACCEPTED] / result.noisy_seconds
    statuses = ", ".join(f"{count:,} of {status}" for status, count in sorted(result.noisy.items()))
    return (
        f"| {case.title} | {result.alone.at(0.5):.1f} | {result.beside.at(0.5):.1f} | "
        f"{result.alone.at(0.99):.1f} | {result.beside.at(0.99):.1f} | {result.ratio:.1f} | "
        f"{result.beside.statuses[_BUSY]} of {result.beside.statuses.total():,} | "
        f"{accepted:,.0f} ({statuses}) | {'met' if result.met else 'missed'} |"
    )


def table(found: dict[str, Result]) -> str:
    """One row for each case."""
    head = (
        "| the noisy publisher | p50 alone (ms) | p50 beside | p99 alone | p99 beside | ratio "
        "| 503 | events per second of the noisy one (requests by status) | |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    )
    return "\n".join([head, *(_row(case, found[case.title]) for case in CASES)])


def main() -> int:
    """Run all cases; 1 if a quiet publisher was disturbed more than it may be."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline.fairness", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="answers are of all rounds (3)")
    parser.add_argument("--seconds", type=float, default=10, help="of each phase (10)")
    parser.add_argument("--rate", type=float, default=50, help="events per second, quietly (50)")
    options = parser.parse_args()
    missing = missing_prerequisite()
    if missing is not None:
        print(missing, file=sys.stderr)
        return 1
    load_before = os.getloadavg()[0]
    found = asyncio.run(_run(options))
    print(f"Load average {load_before:.1f} before.\n\n{table(found)}")
    return int(not all(result.met for result in found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
