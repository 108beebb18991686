"""Contestants that accept submitted events: ingest, from the raw topic and over HTTP."""

import asyncio
import contextlib
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

from bench.pipeline.contestant import Contestant, Figure
from bench.pipeline.events import Keyed, Sent, submitted
from bench.pipeline.processes import Measured, cpu_seconds, rss_bytes, running
from bench.pipeline.stage import WARM_SHARE, Stage
from purposewatch_contract import RAW
from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.stage import write_register
from tests.harness.environment import variables
from tests.harness.ports import take_port

_READY_SECONDS = 30.0
_SINGLE_SHARE = 0.2
"""Events one by one would take minutes for what the others finish in seconds."""


def contestants(stage: Stage) -> list[Contestant]:
    """From the raw topic, over HTTP in batches, over HTTP one by one."""
    return [
        RawTopic(stage),
        Http(
            stage,
            name="http_batch",
            title="ingest over HTTP, 100 events a request",
            size=100,
            connections=4,
        ),
        Http(
            stage,
            name="http_single",
            title="ingest over HTTP, an event a request",
            size=1,
            connections=64,
            share=_SINGLE_SHARE,
        ),
    ]


class RawTopic:
    """Ingest on a filled raw topic."""

    name = "raw_topic"
    title = "ingest from the raw topic"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def run(self, events: int) -> Figure:
        """Fill a topic, then start ingest on it."""
        async with self._stage.topics() as prefix:
            records = [
                Keyed(f"{number}".encode(), sent.body)
                for number, sent in enumerate(submitted(events))
            ]
            await self._stage.fill(prefix, RAW, records)
            with ingest_files() as (environment, _):
                own = {**self._stage.environment(prefix), **environment}
                async with running([("-m", "purposewatch_ingest")], [own]) as processes:
                    group = f"{prefix}.ingest"
                    return await self._stage.watch(prefix, group, events, processes, name=RAW)


class Http:
    """Ingest with concurrent clients. Only its own CPU time counts."""

    def __init__(  # noqa: PLR0913 - what tells contestants apart
        self,
        stage: Stage,
        *,
        name: str,
        title: str,
        size: int,
        connections: int,
        share: float = 1.0,
    ) -> None:
        self.name = name
        self.title = title
        self._stage = stage
        self._size = size
        self._connections = connections
        self._share = share

    async def run(self, events: int) -> Figure:
        """Start ingest, and publish to it over persistent connections."""
        count = int(events * self._share)
        async with self._stage.topics() as prefix:
            with ingest_files() as (environment, keys):
                requests = list(_requests(submitted(count), self._size, keys))
                own = {**self._stage.environment(prefix), **environment}
                async with running([("-m", "purposewatch_ingest")], [own]) as processes:
                    port = int(environment["PURPOSEWATCH_INGEST_HTTP_PORT"])
                    await ready(port, processes)
                    warm = int(WARM_SHARE * len(requests))
                    await self._send(port, requests[:warm])
                    started, cpu = time.perf_counter(), cpu_seconds(processes)
                    sent = await self._send(port, requests[warm:])
                    return Figure(
                        sent,
                        time.perf_counter() - started,
                        cpu_seconds(processes) - cpu,
                        rss_bytes(processes),
                    )

    async def _send(self, port: int, requests: Sequence[tuple[bytes, int]]) -> int:
        """Send everything, each connection the next request once it has its answer."""
        waiting = iter(requests)
        sent = await asyncio.gather(
            *(self._connection(port, waiting) for _ in range(self._connections))
        )
        return sum(sent)

    async def _connection(self, port: int, waiting: Iterator[tuple[bytes, int]]) -> int:
        sent = 0
        async with connected(port) as (reader, writer):
            for request, size in waiting:
                writer.write(request)
                status = await answer(reader)
                if status != 202:
                    message = f"ingest answered {status}"
                    raise RuntimeError(message)
                sent += size
        return sent


def _requests(
    events: Iterator[Sent], size: int, keys: Mapping[str, str]
) -> Iterator[tuple[bytes, int]]:
    """Whole requests with how many events they carry; each is one publisher's."""
    waiting: dict[str, list[bytes]] = defaultdict(list)
    for sent in events:
        waiting[sent.publisher].append(sent.body)
        if len(waiting[sent.publisher]) == size:
            yield whole_request(waiting.pop(sent.publisher), keys[sent.publisher]), size
    for publisher, bodies in waiting.items():
        yield whole_request(bodies, keys[publisher]), len(bodies)


def whole_request(bodies: Sequence[bytes], key: str) -> bytes:
    """A request with these events."""
    single = len(bodies) == 1
    body = bodies[0] if single else b"[" + b",".join(bodies) + b"]"
    kind = "cloudevents" if single else "cloudevents-batch"
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/{kind}+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextlib.asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to ingest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-len")
    )
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def ready(port: int, processes: Sequence[Measured]) -> None:
    """Wait until ingest answers that it is ready."""
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            for process in processes:
                process.check()
            with contextlib.suppress(OSError):
                async with connected(port) as (reader, writer):
                    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    if await answer(reader) == 200:
                        return
            await asyncio.sleep(0.1)


@contextlib.contextmanager
def ingest_files() -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """The settings of ingest, and the key of each publisher."""
    keys = {name: f"pwk_bench-{name}" for name in planned_traffic().publishers}
    with tempfile.TemporaryDirectory(prefix="purposewatch-bench-") as directory:
        path = Path(directory) / "publishers.yaml"
        write_register(path, keys, planned_traffic().controllers_by_publisher)
        yield (
            variables(publishers_file=path, pseudonym_key="ab" * 32, ingest_http_port=take_port()),
            keys,
        )
