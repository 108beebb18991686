"""What trying a policy on recorded flows costs: `python -m bench.replay`.

Fills flow ledgers on SQLite, asks what a changed policy would have decided, and prints the CPU time
of the whole process: of reading the database, deciding, and summing up. One policy changes some
statements, another all of them. It does not depend on the number of events; beside it stands what
deciding the events again one by one takes, without fetching them. Writes `build/bench-replay.json`,
and fails if a limit is not kept.
"""

import asyncio
import gc
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from bench.replay.again import seconds_of_deciding_again
from bench.replay.filling import DAYS, fill, make_flows
from purposewatch_policy import ENGINE, PolicySet, load_policies
from purposewatch_policy.files import NamedText
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.what_if.answering import Question, WhatIfLimits, WhatIfService
from purposewatch_reporter.what_if.effects import Change, WhatIf

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "policies"
CONTROLLER = "linggan-house"
FILE = ROOT / "build" / "bench-replay.json"

FLOWS = 100_000
EVENTS = 200_000
POINTS = ((25_000, EVENTS), (50_000, EVENTS), (FLOWS, EVENTS), (FLOWS, 10 * EVENTS))
"""Distinct flows and events."""
SPANS = {"90d": DAYS, "30d": 30}
"""Days that are asked about: all of the ledger, and a part of it."""
ROUNDS = 2
MAX_SECONDS = 3.0
MAX_SLOWDOWN = 1.1

COLLECT_EVERY = 100_000
"""As the services have it."""
UNTIL = datetime(2026, 3, 2, tzinfo=UTC)


_TEXT = (POLICIES / CONTROLLER / "policy.undated.yaml").read_text(encoding="utf-8")


def few_changed() -> NamedText:
    """The policy without the disclosure to the public, and stricter about lenders."""
    start = _TEXT.index("  - id: sharing.overdue.public")
    end = _TEXT.index("  - id: sharing.overdue.contacts")
    return NamedText("policy.yaml", _TEXT[:start] + _TEXT[end:])


def all_changed() -> NamedText:
    """The policy with a limit of the retention in every permit, which most flows do not keep."""
    permit = "    effect: permit\n"
    return NamedText("policy.yaml", _TEXT.replace(permit, f"{permit}    retention_days: 30\n"))


CANDIDATES = {"few": few_changed, "all": all_changed}
"""By how many of the statements change."""


async def seconds_of(
    database: Database, policies: PolicySet, candidate: NamedText, days: int
) -> tuple[float, WhatIf]:
    """The least CPU seconds of some rounds, and the answer."""
    limits = WhatIfLimits(at_once=1, seconds=600, policy_bytes=1_000_000)
    service = WhatIfService(database, lambda: policies, POLICIES, limits)
    question = Question([candidate], since=UNTIL - timedelta(days=days))
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        answer = await service.answer(question)
        taken.append(time.process_time() - begun)
    return min(taken), answer.what_if


async def measure(policies: PolicySet) -> dict[tuple[int, int, str, str], float]:
    """The seconds of every point."""
    figures: dict[tuple[int, int, str, str], float] = {}
    for flows, events in POINTS:
        with tempfile.TemporaryDirectory() as directory:
            database = Database(SecretStr(f"sqlite+aiosqlite:///{directory}/ledger.db"))
            await database.start()
            policy = policies.versions(CONTROLLER)[-1]
            await fill(database, make_flows(policy, flows, events), UNTIL)
            gc.collect()
            for statements, make in CANDIDATES.items():
                for name, days in SPANS.items():
                    seconds, what_if = await seconds_of(database, policies, make(), days)
                    figures[flows, events, statements, name] = seconds
                    changed = what_if.decided.events - what_if.totals[Change.UNCHANGED].events
                    print(
                        f"{flows:>9,} flows {events:>12,} events, {statements} statements changed, "
                        f"last {name}: {seconds:6.2f} s, {what_if.decided.events:,} decided, "
                        f"{changed:,} would change",
                        flush=True,
                    )
            await database.stop()
    return figures


async def main() -> int:
    """Measure, print, write; the exit status."""
    gc.set_threshold(COLLECT_EVERY)
    print(f"engine: {ENGINE}; CPU seconds, the least of {ROUNDS} rounds")
    policies = load_policies(POLICIES)
    figures = await measure(policies)
    again = seconds_of_deciding_again(policies, CONTROLLER)
    print(f"deciding events again one by one: {again:.1f} s for a million of them")
    whole = {key[:2]: taken for key, taken in figures.items() if key[2:] == ("few", "90d")}
    both = (EVENTS, 10 * EVENTS)
    seconds = {
        **{f"flows_{flows}": whole[flows, events] for flows, events in POINTS if events == EVENTS},
        f"flows_{FLOWS}_events_{10 * EVENTS}": whole[FLOWS, 10 * EVENTS],
        f"flows_{FLOWS}_all_changed": max(figures[FLOWS, each, "all", "90d"] for each in both),
        **{
            f"last_30d_flows_{FLOWS}_events_{each}": figures[FLOWS, each, "few", "30d"]
            for each in both
        },
        f"last_30d_flows_{FLOWS}_all_changed": max(
            figures[FLOWS, each, "all", "30d"] for each in both
        ),
        "deciding_a_million_events_again": again,
    }
    ratios = {
        "slowdown_10x_events": whole[FLOWS, 10 * EVENTS] / whole[FLOWS, EVENTS],
        "slowdown_4x_flows": whole[FLOWS, EVENTS] / whole[FLOWS // 4, EVENTS],
    }
    written = {"engine": ENGINE, "seconds": seconds, "ratios": ratios}
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(written, indent=2) + "\n")
    taken = max(found for (flows, *_), found in figures.items() if flows == FLOWS)
    slowdown = ratios["slowdown_10x_events"]
    print(
        f"{FLOWS:,} flows: at most {taken:.2f} s (limit {MAX_SECONDS}); ten times as many events: "
        f"{slowdown:.2f} times the time (limit {MAX_SLOWDOWN})"
    )
    return int(taken > MAX_SECONDS or slowdown > MAX_SLOWDOWN)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
