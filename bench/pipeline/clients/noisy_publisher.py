"""`python -m bench.pipeline.clients.noisy_publisher`: one publisher that asks for all it can get.

Sends the request in a file over many connections until SIGTERM, each again as soon as it has its
answer, whatever that is. With `--trickle` it sends the head and then a byte a second. At the end
it prints how many requests got which status.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
from collections import Counter
from pathlib import Path

import uvloop

from bench.pipeline.ingest import answer, connected

_BYTE_SECONDS = 1.0
_RECONNECT_SECONDS = 0.05


async def _publish(port: int, request: bytes, statuses: Counter[int]) -> None:
    """Send and take answers over one connection after another."""
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with connected(port) as (reader, writer):
                while True:
                    writer.write(request)
                    statuses[await answer(reader)] += 1
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _trickle(port: int, request: bytes, statuses: Counter[int]) -> None:
    """Send one byte of the body a second, over one connection after another."""
    await asyncio.sleep(random.random() * _BYTE_SECONDS)  # noqa: S311 - they do not beat in time
    head, mark, body = request.partition(b"\r\n\r\n")
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with connected(port) as (reader, writer):
                writer.write(head + mark)
                statuses[await _answer_while_sending(reader, writer, body)] += 1
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _answer_while_sending(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> int:
    answered = asyncio.create_task(answer(reader))
    try:
        for number in range(len(body)):
            writer.write(body[number : number + 1])
            done, _ = await asyncio.wait([answered], timeout=_BYTE_SECONDS)
            if done:
                break
        return await answered
    finally:
        answered.cancel()


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--trickle", action="store_true")
    parser.add_argument("request", type=Path)
    options = parser.parse_args()
    request = options.request.read_bytes()
    run = _trickle if options.trickle else _publish
    statuses: Counter[int] = Counter()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    tasks = [
        asyncio.create_task(run(options.port, request, statuses))
        for _ in range(options.connections)
    ]
    await ended.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(statuses))


if __name__ == "__main__":
    uvloop.run(_main())
