"""Times engines in turns, so that noise on the machine affects all of them.

All times are processor time of this process: what other processes do to the machine then counts
for less. No engine here waits for anything or keeps threads of its own busy.
"""

import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.core.engines.engine import Engine, as_document
from purposewatch_policy import PolicySet
from purposewatch_policy.vocabulary import FlowTerms

_T = TypeVar("_T")

_MICROSECONDS = 1e6


class DisagreementError(Exception):
    """An engine answers differently from the core: it can't be compared."""


@dataclass(frozen=True)
class Timing:
    """What one engine took for one event, in microseconds: medians over the rounds."""

    name: str
    answers: str
    load_seconds: float
    all: float
    permitted: float
    violating: float
    ready: float
    """All events again, when each is already in the form that the engine takes."""

    @property
    def per_second(self) -> float:
        """Events decided in a second."""
        return _MICROSECONDS / self.all


def load(engine: type[Engine], policies: PolicySet, controller: str) -> tuple[Engine, float]:
    """Load an engine with a policy; return it with the seconds that this took."""
    started = time.process_time()
    loaded = engine(policies, controller)
    return loaded, time.process_time() - started


def check_agreement(engine: Engine, flows: Sequence[FlowTerms], expected: Sequence[bool]) -> None:
    """Raise `DisagreementError` at the first flow that the engine decides otherwise."""
    for flow, permitted in zip(flows, expected, strict=True):
        if engine.permits(engine.prepare(flow)) is not permitted:
            core = "permits" if permitted else "does not permit"
            message = f"{engine.name} disagrees: the core {core} {json.dumps(as_document(flow))}"
            raise DisagreementError(message)


def time_engines(
    engines: Sequence[tuple[Engine, float]],
    permitted: Sequence[FlowTerms],
    violating: Sequence[FlowTerms],
    rounds: int,
) -> list[Timing]:
    """Time every engine on the same flows, one round of each after the other.

    What is timed begins with a validated flow and ends with the answer.
    """
    ready = [[each.prepare(flow) for flow in (*permitted, *violating)] for each, _ in engines]
    taken: list[tuple[list[float], list[float], list[float]]] = [([], [], []) for _ in engines]
    for _ in range(rounds):
        for (engine, _), prepared, (of_permitted, of_violating, of_ready) in zip(
            engines, ready, taken, strict=True
        ):
            of_permitted.append(per_item(_decider(engine), permitted))
            of_violating.append(per_item(_decider(engine), violating))
            of_ready.append(per_item(engine.permits, prepared))
    return [
        Timing(
            name=engine.name,
            answers=engine.answers,
            load_seconds=seconds,
            all=statistics.median(map(_mean, of_permitted, of_violating)),
            permitted=statistics.median(of_permitted),
            violating=statistics.median(of_violating),
            ready=statistics.median(of_ready),
        )
        for (engine, seconds), (of_permitted, of_violating, of_ready) in zip(
            engines, taken, strict=True
        )
    ]


def per_item(do: Callable[[_T], object], items: Sequence[_T]) -> float:
    """Return the mean time for one item, in microseconds."""
    gc.collect()
    started = time.process_time()
    for item in items:
        do(item)
    return (time.process_time() - started) / len(items) * _MICROSECONDS


def latencies(do: Callable[[_T], object], items: Sequence[_T]) -> list[float]:
    """Return the time for each item by itself, in microseconds."""
    gc.collect()
    clock = time.thread_time_ns
    idle = statistics.median(-(clock() - clock()) for _ in range(1000))
    taken = []
    for item in items:
        started = clock()
        do(item)
        taken.append((clock() - started - idle) / 1000)
    return taken


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def allocated(make: Callable[[], object]) -> float:
    """Return the mebibytes of memory that something made by Python holds on to."""
    gc.collect()
    tracemalloc.start()
    made = make()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del made
    return size / 2**20


def _decider(engine: Engine) -> Callable[[FlowTerms], bool]:
    prepare, permits = engine.prepare, engine.permits
    return lambda flow: permits(prepare(flow))


def _mean(one: float, other: float) -> float:
    return (one + other) / 2
