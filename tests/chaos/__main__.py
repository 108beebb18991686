"""Run chaos from the command line: `python -m tests.chaos`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys

from tests.chaos.plan import as_lines
from tests.chaos.run import PLANTS, Options, run, steps_of


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run as asked; the status is 0 when every guarantee held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeats the plan of an earlier run")
    parser.add_argument("--seconds", type=float, default=300.0, help="of load; default: 300")
    parser.add_argument("--rate", type=float, default=150.0, help="events a second; default: 150")
    parser.add_argument("--scenario", choices=("long", "short", "kills", "disk"), default="long")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="break a service on purpose")
    parser.add_argument("--plan", action="store_true", help="show the plan and do nothing")
    asked = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every broker that is down
    options = Options(
        seed=asked.seed if asked.seed is not None else secrets.randbelow(1_000_000),
        seconds=asked.seconds,
        rate=asked.rate,
        scenario=asked.scenario,
        plant=asked.plant,
    )
    _write(f"seed {options.seed}")
    if asked.plan:
        for line in as_lines(steps_of(options)):
            _write(line)
        return 0
    result = asyncio.run(run(options, _write))
    for line in result.lines():
        _write(line)
    return 1 if result.differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
