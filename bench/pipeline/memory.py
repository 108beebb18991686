"""The auditor's memory over a long run: `python -m bench.pipeline.memory`, from the root.

Feeds one auditor at a steady rate and notes its resident memory every second. Writes
`build/bench-memory.json` and `docs/images/auditor-memory.svg`.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

from matplotlib import pyplot as plt

from bench.pipeline.events import canonical
from bench.pipeline.latency import Feed, auditing, feed
from bench.pipeline.processes import Measured, rss_bytes
from bench.pipeline.stage import Stage
from tests.integration.brokers.apache_kafka import ApacheKafka

ROOT = Path(__file__).resolve().parents[2]
_EVENTS = 50_000
_SAMPLE_SECONDS = 1.0


async def _sample(process: Measured, samples: list[tuple[float, float]]) -> None:
    started = time.monotonic()
    while True:
        samples.append((time.monotonic() - started, rss_bytes([process]) / 2**20))
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _run(minutes: float, rate: float) -> list[tuple[float, float]]:
    samples: list[tuple[float, float]] = []
    async with ApacheKafka() as kafka:
        stage = Stage(kafka.bootstrap_servers)
        async with auditing(stage) as (prefix, process):
            sampling = asyncio.create_task(_sample(process, samples))
            try:
                await feed(stage, prefix, Feed(canonical(_EVENTS)), rate, minutes * 60)
            finally:
                sampling.cancel()
                await asyncio.gather(sampling, return_exceptions=True)
    return samples


def _plot(samples: list[tuple[float, float]], rate: float, path: Path) -> None:
    plt.rcParams["svg.hashsalt"] = "purposewatch"
    figure, axes = plt.subplots(figsize=(8, 3))
    axes.plot([each[0] / 60 for each in samples], [each[1] for each in samples])
    axes.set(
        xlabel="minutes",
        ylabel="resident memory (MiB)",
        title=f"One auditor at {rate:,.0f} events per second",
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run, plot, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=5_000)
    parser.add_argument("--image", type=Path, default=ROOT / "docs/images/auditor-memory.svg")
    options = parser.parse_args()
    samples = asyncio.run(_run(options.minutes, options.rate))
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/bench-memory.json").write_text(json.dumps(samples), encoding="utf-8")
    _plot(samples, options.rate, options.image)
    middle = samples[len(samples) // 2][1]
    print(f"{middle:.1f} MiB half way, {samples[-1][1]:.1f} MiB at the end")


if __name__ == "__main__":
    main()
