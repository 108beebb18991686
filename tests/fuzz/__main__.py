"""Fuzz what reads others' input: `python -m tests.fuzz --seconds 300`.

The time is divided between the targets, and between the operations of both OpenAPI documents. With
atheris installed, inputs are guided by coverage. The exit status is 1 if an input broke a promise;
copy what was found to `tests/fuzz/cases/<target>/`, named after the fault, once it is mended.
"""

import argparse
import asyncio
import importlib.util
import secrets
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.broker import run as run_on_broker
from tests.fuzz.catalogue import TARGETS
from tests.fuzz.run import Result, run_for, run_guided

_HERE = Path(__file__).parent
_SHARE_OF_DOCUMENTS = 0.2
DOCUMENTS = "openapi"
"""Stands for the requests that schemathesis makes of the OpenAPI documents."""
BROKER = "broker"
"""Stands for records that ingest, as a process, reads from the embedded broker."""
_RECORDS_PER_SECOND = 10
"""Of the whole time, so that publishing and reading them takes a small part of it."""


def main() -> int:
    """Run as asked; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="in total; default: 300")
    parser.add_argument(
        "--only", help=f"beginnings of targets' names, `{BROKER}` or `{DOCUMENTS}`; `a,b`"
    )
    parser.add_argument("--seed", help="repeats the inputs of an earlier run")
    parser.add_argument("--engine", choices=("atheris", "plain"), help="default: what is there")
    asked = parser.parse_args()
    seed = asked.seed or str(secrets.randbelow(1_000_000))
    engine = asked.engine or ("atheris" if importlib.util.find_spec("atheris") else "plain")
    wanted = tuple(asked.only.split(",")) if asked.only else ("",)
    targets = [target for target in TARGETS.values() if target.name.startswith(wanted)]
    with_documents = DOCUMENTS.startswith(wanted)
    _say(f"seed {seed}, engine {engine}, {len(targets)} targets")
    share = _SHARE_OF_DOCUMENTS if with_documents and targets else float(with_documents)
    run = run_guided if engine == "atheris" else run_for
    failed = False
    for target in targets:
        result = run(target, asked.seconds * (1 - share) / len(targets), seed=seed)
        _say(result.line())
        failed |= bool(result.failures)
    if BROKER.startswith(wanted):
        result = _run_broker(max(300, min(20_000, int(asked.seconds * _RECORDS_PER_SECOND))), seed)
        _say(result.line())
        failed |= bool(result.failures)
    if with_documents:
        result = _run_documents(asked.seconds * share, seed)
        _say(result.line())
        failed |= bool(result.failures)
    return int(failed)


def _run_broker(records: int, seed: str) -> Result:
    started = time.monotonic()
    failures: tuple[tuple[Path, str], ...] = ()
    try:
        became = asyncio.run(run_on_broker(records, seed=seed))
        _say(", ".join(f"{count:,} {topic}" for topic, count in became.items()))
    except (AssertionError, TimeoutError) as error:
        failures = ((_HERE / "broker.py", f"{type(error).__name__}: {str(error)[:300]}"),)
    return Result(BROKER, records, time.monotonic() - started, failures)


def _run_documents(seconds: float, seed: str) -> Result:
    """Run the requests of both documents again and again, with other random ones each time."""
    started, rounds = time.monotonic(), 0
    failures: list[tuple[Path, str]] = []
    while not rounds or time.monotonic() - started < seconds:
        rounds += 1
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "--quiet", str(_HERE / "documents.py")),
                *(f"--hypothesis-seed={int(seed) + rounds}", "--maxfail=5"),
            ],
            check=False,
        )
        if done.returncode:
            failures.append((_HERE / "documents.py", f"pytest ended with {done.returncode}"))
            break
    return Result(DOCUMENTS, rounds, time.monotonic() - started, tuple(failures))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
