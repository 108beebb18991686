"""`python -m bench.pipeline`: the services on a real Apache Kafka, compared with bare clients.

Run it from the root of the project; it needs Java 17 and Maven. Prints tables, writes
`build/bench.json`, and after a whole run also `bench/pipeline/figures.json` and the tables in
`docs/benchmarks.md`.
"""

import argparse
import asyncio
import importlib
import importlib.util
import json
import logging
import os
import platform
import random
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

from bench.pipeline.contestant import Contestant, Figure
from bench.pipeline.events import canonical, mean_size, violations
from bench.pipeline.facts import Facts, Restored, facts_on
from bench.pipeline.facts import contestants as fact_contestants
from bench.pipeline.latency import Latency, latency
from bench.pipeline.report import (
    Result,
    as_json,
    latency_table,
    ratio_table,
    ratios,
    restore_table,
    rewrite,
    throughput_table,
)
from bench.pipeline.signing import contestants as signing_contestants
from bench.pipeline.stage import PARTITIONS, Stage
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.kafka_jars import missing_prerequisite

ROOT = Path(__file__).resolve().parents[2]
_MODULES = ("consumers", "ingest", "reporter")
"""Each has `contestants(stage)`."""
_SHARES = (0.1, 0.5, 0.9)
_LATENCY = "latency"
_FACTS = "facts"
_SIGNING = "signing"
_JOIN_MS = 1_500
"""Half of what Kafka does by default: enough for two processes to begin together."""
_LATENCY_EVENTS = 50_000


def main() -> int:
    """Run everything once."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="medians are over these (5)")
    parser.add_argument("--events", type=int, default=100_000, help="of every run (100,000)")
    parser.add_argument("--seconds", type=float, default=20, help="of each load, for latency (20)")
    parser.add_argument("--compression", default="zstd", help="of all that is published (zstd)")
    parser.add_argument(
        "--only", default="", help="contestants, `latency`, `facts` or `signing`; by commas"
    )
    options = parser.parse_args()
    missing = missing_prerequisite()
    if missing is not None:
        print(missing, file=sys.stderr)
        return 1
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    only = [name for name in options.only.split(",") if name]
    load_before = os.getloadavg()[0]
    results, latencies, restored = asyncio.run(_run(options, only))
    where = (
        f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}, load "
        f"average {load_before:.1f} before and {os.getloadavg()[0]:.1f} after. "
        f"{options.events:,} events of {mean_size(canonical(options.events)):,.0f} bytes, "
        f"{100 * violations(options.events):.0f} % of them violations, in {PARTITIONS} partitions, "
        f"compression {options.compression}; medians of {options.rounds} rounds."
    )
    text = "\n\n".join(
        [
            where,
            throughput_table(results),
            *([ratio_table(ratios(results))] if ratios(results) else []),
            *([latency_table(latencies)] if latencies else []),
            *([restore_table(restored)] if restored else []),
        ]
    )
    print(text)
    document = (
        json.dumps({"where": where, **as_json(results, latencies, restored)}, indent=2) + "\n"
    )
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(document, encoding="utf-8")
    if not only and options.compression == "zstd":
        (Path(__file__).parent / "figures.json").write_text(document, encoding="utf-8")
        rewrite(ROOT / "docs" / "benchmarks.md", text)
    return 0


async def _run(
    options: argparse.Namespace, only: list[str]
) -> tuple[dict[str, Result], dict[str, Latency], dict[str, Restored]]:
    async with ApacheKafka(rebalance_delay_ms=_JOIN_MS) as kafka, AsyncExitStack() as stack:
        stage = Stage(kafka.bootstrap_servers, compression=options.compression)
        facts = stack.enter_context(facts_on(stage))
        taking_part = [each for each in _contestants(stage) if not only or each.name in only]
        taking_part += [
            each for each in signing_contestants(stage) if _SIGNING in only or each.name in only
        ]
        about_facts = [
            each
            for each in fact_contestants(facts)
            if not only or _FACTS in only or each.name in only
        ]
        restored = await _restored(facts) if about_facts else {}
        taking_part += about_facts
        figures: dict[str, list[Figure]] = {each.name: [] for each in taking_part}
        rng = random.Random(options.rounds)  # noqa: S311 - only the order of the contestants
        for number in range(1, options.rounds + 1):
            # in another order each time, so that none always follows the same one
            for contestant in rng.sample(taking_part, len(taking_part)):
                figure = await contestant.run(options.events)
                figures[contestant.name].append(figure)
                print(f"{number} {contestant.name}: {asdict(figure)}", file=sys.stderr, flush=True)
        results = {each.name: Result.of(each.title, figures[each.name]) for each in taking_part}
        latencies = {}
        if "auditor" in results and (not only or _LATENCY in only):
            events = canonical(_LATENCY_EVENTS)
            for share in _SHARES:
                rate = share * results["auditor"].per_second
                latencies[str(share)] = found = await latency(
                    stage, events, rate=rate, seconds=options.seconds
                )
                print(f"latency at {share}: {asdict(found)}", file=sys.stderr, flush=True)
    return results, latencies, restored


async def _restored(facts: Facts) -> dict[str, Restored]:
    """Restore a million statements into an empty state, then start again on it."""
    found = {}
    for name in ("restore", "restart"):
        found[name] = each = await facts.restore()
        print(f"{name}: {asdict(each)}", file=sys.stderr, flush=True)
    return found


def _contestants(stage: Stage) -> list[Contestant]:
    found: list[Contestant] = []
    for name in _MODULES:
        if importlib.util.find_spec(f"bench.pipeline.{name}") is not None:
            found += importlib.import_module(f"bench.pipeline.{name}").contestants(stage)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
