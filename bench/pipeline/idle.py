"""What the services cost while nothing happens: `python -m bench.pipeline.idle`, from the root.

Starts ingest, auditor and reporter on the embedded broker and on Apache Kafka, waits until they
have settled, and measures their processor time for half a minute. Fails when a service takes more
than it may: 2 % of a core on Apache Kafka, 5 % on the embedded broker, whose long poll is not woken
by a new record, so that it is polled more often.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from bench.pipeline.ingest import ingest_files
from bench.pipeline.processes import cpu_seconds, running
from bench.pipeline.stage import Stage
from purposewatch_demo.embedded_broker import EmbeddedBroker
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.kafka_jars import missing_prerequisite

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("ingest", "auditor", "reporter")
_LIMITS = {"embedded": 5.0, "apache_kafka": 2.0}
"""Percent of a core that each service may take."""
_SETTLE_SECONDS = 20.0
_EMBEDDED = {
    "PURPOSEWATCH_KAFKA_ENABLE_IDEMPOTENCE": "false",
    "PURPOSEWATCH_KAFKA_FETCH_MAX_WAIT_MS": "10",
}
"""As the demo sets it."""


@contextlib.asynccontextmanager
async def _broker(kind: str) -> AsyncIterator[tuple[str, Mapping[str, str]]]:
    if kind == "embedded":
        async with EmbeddedBroker() as embedded:
            yield embedded.bootstrap_servers, _EMBEDDED
    else:
        async with ApacheKafka() as kafka:
            yield kafka.bootstrap_servers, {}


async def measure(kind: str, seconds: float) -> dict[str, float]:
    """The percent of a core that each service takes while idle on that kind of broker."""
    async with _broker(kind) as (servers, own):
        stage = Stage(servers)
        prefix = f"idle-{kind.replace('_', '-')}"
        with ingest_files() as (ingest, _), tempfile.TemporaryDirectory() as directory:
            database = f"sqlite+aiosqlite:///{directory}/ledger.db"
            environments = (
                ingest,
                {"PURPOSEWATCH_AUDITOR_HTTP_PORT": "0"},
                {
                    "PURPOSEWATCH_DATABASE_URL": database,
                    "PURPOSEWATCH_REPORTER_HTTP_PORT": "0",
                },
            )
            commands = [("-m", f"purposewatch_{name}") for name in SERVICES]
            shared = {**stage.environment(prefix), **own}
            async with running(commands, [{**shared, **each} for each in environments]) as started:
                await asyncio.sleep(_SETTLE_SECONDS)
                before = [cpu_seconds([process]) for process in started]
                await asyncio.sleep(seconds)
                after = [cpu_seconds([process]) for process in started]
    return {
        name: 100 * (end - start) / seconds
        for name, start, end in zip(SERVICES, before, after, strict=True)
    }


def main() -> int:
    """Measure both brokers; 1 when a service takes more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="to measure each broker (30)")
    parser.add_argument("--broker", choices=[*_LIMITS], help="measure only this one")
    options = parser.parse_args()
    failed = False
    for kind, limit in _LIMITS.items():
        if options.broker not in (None, kind):
            continue
        if kind == "apache_kafka" and (missing := missing_prerequisite()) is not None:
            print(missing, file=sys.stderr)
            return 1
        for name, percent in asyncio.run(measure(kind, options.seconds)).items():
            failed |= percent > limit
            print(f"{kind}: idle, {name} takes {percent:.1f} % of a core (at most {limit:g})")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
