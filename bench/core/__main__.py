"""`python -m bench.core`: the speed of the decision core, compared with other engines.

Run it from the root of the project. Prints tables and writes `build/bench-core.json`.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from random import Random

from bench.core.engines.compared import BY_HAND, CORE, NAIVE, OTHERS, REMEMBERING
from bench.core.engines.engine import check_translatable
from bench.core.events import draw_sample
from bench.core.measure import (
    DisagreementError,
    Timing,
    check_agreement,
    latencies,
    load,
    quantile,
    time_engines,
)
from bench.core.report import print_comparison, print_scaling
from bench.core.scaling import slowdown, time_sizes
from purposewatch_policy import ENGINE, PolicySet, load_policies
from purposewatch_policy.cases import load_cases

ROOT = Path(__file__).resolve().parent.parent.parent
CONTROLLER = "wework-labs"

TARGETS = {
    "core_vs_fastest_engine": ("at least", 5.0),
    "core_vs_fastest_engine_permitted": ("at least", 10.0),
    "slowdown_60_to_10000": ("at most", 1.5),
    "p99_vs_median": ("at most", 10.0),
}


def main() -> int:
    """Run everything once."""
    parser = argparse.ArgumentParser(prog="python -m bench.core", description=__doc__)
    parser.add_argument("--events", type=int, default=500, help="of each outcome (500)")
    parser.add_argument("--rounds", type=int, default=9, help="medians are over these (9)")
    parser.add_argument("--seed", type=int, default=20180525)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-core.json")
    options = parser.parse_args()

    rng = Random(options.seed)  # noqa: S311 - reproducible events, not secrets
    policies = load_policies(ROOT / "policies")
    check_translatable(policies.versions(CONTROLLER)[-1].statements)
    cases = load_cases(ROOT / "policies" / CONTROLLER / "cases.yaml").cases
    sample = draw_sample(rng, policies, CONTROLLER, cases, each=options.events)
    load_before = os.getloadavg()[0]

    engines = [
        load(engine, policies, CONTROLLER)
        for engine in (CORE, REMEMBERING, *OTHERS, BY_HAND, NAIVE)
    ]
    core = engines[0][0]
    expected = [core.permits(core.prepare(flow)) for flow in sample.mixed]
    try:
        for engine, _ in engines[1:]:
            check_agreement(engine, sample.mixed, expected)
    except DisagreementError as error:
        print(error, file=sys.stderr)
        return 1
    *fast, naive = engines
    timings = time_engines(fast, sample.permitted, sample.violating, options.rounds)
    timings += time_engines([naive], sample.permitted, sample.violating, min(3, options.rounds))
    tails = _tails(policies, [core.prepare(flow) for flow in sample.mixed], options.rounds)
    sizes = time_sizes(rng, policies.versions(CONTROLLER)[-1], options.events // 2, options.rounds)

    others = {engine.name for engine in OTHERS}
    engines_timed = [each for each in timings if each.name in others]
    fastest = min(engines_timed, key=lambda each: each.all)
    permitted = min(each.permitted for each in engines_timed)
    violating = min(each.violating for each in engines_timed)
    by_hand = next(each for each in timings if each.name == BY_HAND.name)
    remembering = next(each for each in timings if each.name == REMEMBERING.name)
    ratios = {
        "core_vs_fastest_engine": fastest.all / timings[0].all,
        "core_vs_fastest_engine_permitted": permitted / timings[0].permitted,
        "core_vs_fastest_engine_violating": violating / timings[0].violating,
        "core_vs_cel_by_hand": by_hand.all / timings[0].all,
        "core_remembering_vs_fastest_engine": fastest.all / remembering.all,
        "slowdown_60_to_10000": max(slowdown(sizes).values()),
        "p99_vs_median": max(tails, *(size.p99 / size.p50 for size in sizes)),
    }
    print(f"The core runs {ENGINE}.\n")
    print_comparison(timings, len(sample.mixed))
    print_scaling(sizes)
    _print_targets(ratios, fastest)
    machine = {
        "engine": ENGINE,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": os.getloadavg()[0],
    }
    print(f"\n{machine}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(
        json.dumps(
            {
                "ratios": ratios,
                "targets": {name: " ".join(map(str, target)) for name, target in TARGETS.items()},
                "fastest_engine": fastest.name,
                "events": len(sample.mixed),
                "rounds": options.rounds,
                "seed": options.seed,
                "slowdown": slowdown(sizes),
                "engines_microseconds": [asdict(each) for each in timings],
                "sizes_microseconds": [asdict(each) for each in sizes],
                "machine": machine,
            },
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )
    return 0


def _tails(policies: PolicySet, prepared: list[object], rounds: int) -> float:
    """Return how many times the median the 99th percentile is, typically."""
    core, _ = load(CORE, policies, CONTROLLER)
    ratios = []
    for _ in range(rounds):
        taken = latencies(core.permits, prepared)
        ratios.append(quantile(taken, 0.99) / quantile(taken, 0.5))
    return statistics.median(ratios)


def _print_targets(ratios: dict[str, float], fastest: Timing) -> None:
    print(f"\nFastest other engine: {fastest.name}")
    for name, (bound, target) in TARGETS.items():
        met = ratios[name] >= target if bound == "at least" else ratios[name] <= target
        verdict = "met" if met else "MISSED"
        print(f"{name:32} {ratios[name]:6.2f}   target: {bound} {target:g}   {verdict}")


if __name__ == "__main__":
    sys.exit(main())
