"""`python -m bench.client`: what a call of the client costs, beside other publishing libraries.

Run it from the root of the project. Prints a table and writes `build/bench-client.json`. The exit
status is 1 if a target is missed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from bench.client.contestants import (
    BURST,
    CONTESTANTS,
    StubIngest,
    client,
    client_fsync,
    opentelemetry,
)

ROOT = Path(__file__).resolve().parent.parent.parent
MEDIAN_US, P99_US, RATIO = 10.0, 30.0, 0.5
FIGURES = {
    "median": "median",
    "p99": "p99",
    "after_pause": "after a pause",
}
"""Of each contestant. `after_pause` is the median of the first calls after each pause, in which
other processes have used the processor's caches."""


def main() -> int:
    """Run every contestant in turn, several times."""
    parser = argparse.ArgumentParser(prog="python -m bench.client", description=__doc__)
    parser.add_argument("--events", type=int, default=4000, help="of each contestant (4000)")
    parser.add_argument("--rounds", type=int, default=7, help="medians are over these (7)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-client.json")
    options = parser.parse_args()

    ingest = StubIngest()
    load_before = os.getloadavg()[0]
    rounds: dict[str, list[dict[str, float]]] = {each.__name__: [] for each in CONTESTANTS}
    for _ in range(options.rounds):
        for contestant in CONTESTANTS:
            events = options.events // (10 if contestant is client_fsync else 1)
            taken = _run(contestant.__name__, ingest.url, events)
            rounds[contestant.__name__].append(
                {
                    "median": _quantile(taken, 0.5),
                    "p99": _quantile(taken, 0.99),
                    "after_pause": _quantile(taken[::BURST], 0.5),
                }
            )
    figures = {
        name: {figure: statistics.median(each[figure] for each in measured) for figure in FIGURES}
        for name, measured in rounds.items()
    }
    caller = figures[client.__name__]
    ratio = caller["median"] / figures[opentelemetry.__name__]["median"]
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": os.getloadavg()[0],
    }
    _print_table(figures)
    targets = (
        ("caller_us.median", caller["median"], MEDIAN_US),
        ("caller_us.p99", caller["p99"], P99_US),
        ("ratios.client_vs_opentelemetry", ratio, RATIO),
    )
    print()
    for name, value, most in targets:
        print(f"{name:32} {value:6.2f}   at most {most:g}   {'met' if value <= most else 'MISSED'}")
    print(f"\n{machine}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "caller_us": caller,
        "ratios": {"client_vs_opentelemetry": ratio},
        "contestants_us": figures,
        "events": options.events,
        "rounds": options.rounds,
        "machine": machine,
    }
    options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(any(value > most for _, value, most in targets))


def _run(name: str, url: str, events: int) -> list[int]:
    command = [sys.executable, "-m", "bench.client.contestants", name, url, str(events)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    taken: list[int] = json.loads(done.stdout)
    return taken


def _quantile(taken: list[int], share: float) -> float:
    """Microseconds."""
    return sorted(taken)[int(len(taken) * share)] / 1000


def _print_table(figures: dict[str, dict[str, float]]) -> None:
    print("Microseconds of the calling thread's processor time for each event\n")
    rows = [["", *FIGURES.values()], ["-" * 24, *("-" * 13 for _ in FIGURES)]]
    for contestant in CONTESTANTS:
        measured = figures[contestant.__name__]
        name = contestant.__name__.replace("_", " ")
        rows.append([name, *(f"{measured[each]:.1f}" for each in FIGURES)])
    for name, *cells in rows:
        print(f"| {name:24} | {' | '.join(cell.rjust(13) for cell in cells)} |")


if __name__ == "__main__":
    sys.exit(main())
