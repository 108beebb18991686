"""The services' memory over a long run: `python -m bench.pipeline.memory`, from the root.

Feeds the raw topic at a steady rate with events that all have different identifiers, lets ingest,
auditor and reporter process them, and samples their resident memory every second. The reporter
records into PostgreSQL if it is installed, otherwise into SQLite. Writes
`build/bench-memory.json` and `docs/images/memory.svg`.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from matplotlib import pyplot as plt

from bench.pipeline.events import Keyed, submitted
from bench.pipeline.ingest import ingest_files
from bench.pipeline.processes import Measured, rss_bytes, running
from bench.pipeline.stage import Stage, send
from purposewatch_contract import RAW, topic_name
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.postgresql import PostgreSQL, binaries

ROOT = Path(__file__).resolve().parents[2]
_SERVICES = ("ingest", "auditor", "reporter")
_SAMPLE_SECONDS = 1.0
_TICK_SECONDS = 0.05
_ENDLESS = 10**12

Samples = dict[str, list[tuple[float, float]]]
"""Of each service: seconds since the start, and MiB."""


async def _sample(processes: Mapping[str, Measured], samples: Samples) -> None:
    started = time.monotonic()
    while True:
        for name, process in processes.items():
            process.check()
            used = rss_bytes([process]) / 2**20
            samples.setdefault(name, []).append((time.monotonic() - started, used))
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _feed(stage: Stage, prefix: str, rate: float, seconds: float) -> int:
    """Publish events to the raw topic at a steady rate; returns how many."""
    topic = topic_name(prefix, RAW)
    events = enumerate(submitted(_ENDLESS))
    sent = 0
    async with stage.producer(prefix) as producer:
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            due = int(passed * rate) - sent
            records = [
                Keyed(f"{number}".encode(), event.body)
                for number, event in itertools.islice(events, max(0, due))
            ]
            await send(producer, topic, records)
            sent += len(records)
            await asyncio.sleep(_TICK_SECONDS)
    return sent


@contextlib.asynccontextmanager
async def _database() -> AsyncIterator[str]:
    programs = binaries()
    if programs is None:
        with tempfile.TemporaryDirectory(prefix="purposewatch-bench-") as directory:
            yield f"sqlite+aiosqlite:///{directory}/ledger.db"
    else:
        with PostgreSQL(programs) as server:
            await server.start()
            yield server.url(await server.create_database())


async def _run(minutes: float, rate: float) -> tuple[int, Samples]:
    samples: Samples = {}
    async with ApacheKafka() as kafka:
        stage = Stage(kafka.bootstrap_servers)
        async with stage.topics() as prefix, _database() as url:
            with ingest_files() as (ingest, _):
                own = (
                    ingest,
                    {"PURPOSEWATCH_AUDITOR_HTTP_PORT": "0"},
                    {"PURPOSEWATCH_DATABASE_URL": url, "PURPOSEWATCH_REPORTER_HTTP_PORT": "0"},
                )
                async with running(
                    [("-m", f"purposewatch_{name}") for name in _SERVICES],
                    [{**stage.environment(prefix), **each} for each in own],
                ) as processes:
                    named = dict(zip(_SERVICES, processes, strict=True))
                    sampling = asyncio.create_task(_sample(named, samples))
                    feeding = asyncio.create_task(_feed(stage, prefix, rate, minutes * 60))
                    # a service that ends, ends the run
                    await asyncio.wait({sampling, feeding}, return_when=asyncio.FIRST_COMPLETED)
                    sampling.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await sampling
                    return await feeding, samples


def _plot(samples: Samples, rate: float, path: Path) -> None:
    plt.rcParams["svg.hashsalt"] = "purposewatch"
    figure, axes = plt.subplots(figsize=(8, 3))
    for name, found in samples.items():
        axes.plot([each[0] / 60 for each in found], [each[1] for each in found], label=name)
    axes.set(
        xlabel="minutes",
        ylabel="resident memory (MiB)",
        title=f"{rate:,.0f} events per second",
        ylim=(0, None),
    )
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run, plot, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=2_000)
    parser.add_argument("--image", type=Path, default=ROOT / "docs/images/memory.svg")
    options = parser.parse_args()
    sent, samples = asyncio.run(_run(options.minutes, options.rate))
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/bench-memory.json").write_text(json.dumps(samples), encoding="utf-8")
    _plot(samples, options.rate, options.image)
    print(f"{sent:,} events in {options.minutes:g} minutes")
    for name, found in samples.items():
        middle, end = found[len(found) // 2][1], found[-1][1]
        print(f"{name}: {middle:.1f} MiB half way, {end:.1f} MiB at the end")


if __name__ == "__main__":
    main()
