"""Times the core with policies of growing length."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bench.core.engines.core import Core, CoreThatRemembers
from bench.core.events import draw_sample
from bench.core.measure import allocated, latencies, per_item, quantile
from bench.core.synthetic import draw_policy
from purposewatch_policy import CompiledPolicy, PolicySet

SIZES = (60, 250, 1000, 4000, 10_000)


@dataclass(frozen=True)
class Size:
    """What the core takes under a policy of some length: medians over the rounds."""

    statements: int
    permitted: float
    """Microseconds for one event."""
    violating: float
    met_before: float
    """Microseconds for one event, of both kinds, when its flow has been decided before."""
    p50: float
    """Microseconds, of permitted and violating events together, each timed by itself."""
    p99: float
    compile_seconds: float
    mebibytes: float


class _Grown:
    """The core under one synthetic policy, with flows drawn for it."""

    def __init__(self, rng: Random, like: CompiledPolicy, statements: int, each: int) -> None:
        self._statements = statements
        policy = draw_policy(rng, like, statements)
        words = {policy.controller: like.vocabulary}
        started = time.process_time()
        policies = PolicySet(words, [policy])
        self._compile_seconds = time.process_time() - started
        self._mebibytes = allocated(lambda: PolicySet(words, [policy]))
        self._decide = Core(policies, policy.controller).permits
        self._remember = CoreThatRemembers(policies, policy.controller).permits
        self._sample = draw_sample(rng, policies, policy.controller, (), each=each)
        for flow in self._sample.mixed:
            self._remember(flow)
        self._met_before: list[float] = []
        self._permitted: list[float] = []
        self._violating: list[float] = []
        self._p50: list[float] = []
        self._p99: list[float] = []

    def time(self) -> None:
        """Go once through all flows."""
        self._permitted.append(per_item(self._decide, self._sample.permitted))
        self._violating.append(per_item(self._decide, self._sample.violating))
        self._met_before.append(per_item(self._remember, self._sample.mixed))
        single = latencies(self._decide, self._sample.mixed)
        self._p50.append(quantile(single, 0.5))
        self._p99.append(quantile(single, 0.99))

    def size(self) -> Size:
        """Sum up."""
        return Size(
            statements=self._statements,
            permitted=statistics.median(self._permitted),
            violating=statistics.median(self._violating),
            met_before=statistics.median(self._met_before),
            p50=statistics.median(self._p50),
            p99=statistics.median(self._p99),
            compile_seconds=self._compile_seconds,
            mebibytes=self._mebibytes,
        )


def time_sizes(rng: Random, like: CompiledPolicy, each: int, rounds: int) -> list[Size]:
    """Time all lengths by turns."""
    grown = [_Grown(rng, like, statements, each) for statements in SIZES]
    for _ in range(rounds):
        for policy in grown:
            policy.time()
    return [policy.size() for policy in grown]


def slowdown(sizes: Sequence[Size]) -> dict[str, float]:
    """Return how many times longer an event takes under the longest policy than the shortest."""
    shortest, longest = sizes[0], sizes[-1]
    return {
        "permitted": longest.permitted / shortest.permitted,
        "violating": longest.violating / shortest.violating,
        "met_before": longest.met_before / shortest.met_before,
    }
