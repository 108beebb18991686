"""`python -m bench.core.million`: core and naive checker compared on a million random cases.

The test suite compares them on some twenty thousand; this is the long run, on demand. Run it from
the root of the project.
"""

import argparse
import sys
import time
from collections import Counter
from random import Random

from tests.unit.policy.test_against_reference import compare

_FLOWS_PER_WORLD = 25


def main() -> int:
    """Compare until so many flows agreed, or stop at the first that does not."""
    parser = argparse.ArgumentParser(prog="python -m bench.core.million", description=__doc__)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = Random(options.seed)  # noqa: S311 - reproducible cases, not secrets
    started = time.perf_counter()
    seen: Counter[str] = Counter()
    flows = 0
    while flows < options.flows:
        world = rng.randrange(2**63)
        try:
            seen += compare(Random(world), _FLOWS_PER_WORLD)  # noqa: S311 - the same
        except AssertionError as error:
            print(f"they differ in the world drawn from {world}: {error}", file=sys.stderr)
            return 1
        flows += _FLOWS_PER_WORLD
    categories = sum(count for name, count in seen.items() if not name.startswith("graded"))
    print(f"{flows:,} flows, {categories:,} categories, no difference", end="; ")
    print(f"{time.perf_counter() - started:.0f} s")
    for name, count in seen.most_common():
        print(f"{count:10,} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
