"""What the benchmark of the decision core measures is what it says it measures."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import pytest

from bench.core.engines.core import Core
from bench.core.engines.engine import check_translatable
from bench.core.engines.naive import Naive
from bench.core.events import draw_sample
from bench.core.measure import DisagreementError, check_agreement, quantile
from bench.core.synthetic import draw_policy
from purposewatch_contract.codec import Flow
from purposewatch_policy import Dimension, Outcome, PolicySet, decide, load_policies

CONTROLLER = "wework-labs"
POLICIES = load_policies(Path(__file__).parents[3] / "policies")


class Yes(Naive):
    """Permits everything."""

    name = "yes"

    def permits(self, prepared: object) -> bool:
        return True


def sample() -> tuple[Flow, ...]:
    rng = Random(1)  # noqa: S311  # reproducible events, not secrets
    return draw_sample(rng, POLICIES, CONTROLLER, (), each=20).mixed


def test_half_of_the_flows_are_permitted() -> None:
    """The flows are different ones, permitted and violating by turns."""
    flows = sample()
    expected = [Outcome.PERMITTED, Outcome.VIOLATION] * 20
    begins = POLICIES.versions(CONTROLLER)[-1].begins
    assert expected == [decide(flow, begins, POLICIES).outcome for flow in flows]
    assert len({msgspec.json.encode(flow) for flow in flows}) == 40


def test_flows_name_one_to_four_categories() -> None:
    """Every policy is measured with the same shares, so that lengths compare."""
    expected = {1: 16, 2: 12, 3: 8, 4: 4}
    assert expected == Counter(len(flow.data_categories) for flow in sample())


def test_flows_are_reproducible() -> None:
    """The same seed draws the same flows."""
    assert sample() == sample()


def test_disagreement_stops_the_comparison() -> None:
    """An engine that decides a flow otherwise is not timed; the flow is named."""
    core = Core(POLICIES, CONTROLLER)
    expected = [core.permits(core.prepare(flow)) for flow in sample()]
    check_agreement(Naive(POLICIES, CONTROLLER), sample(), expected)
    with pytest.raises(DisagreementError, match=r"yes disagrees: the core does not permit \{"):
        check_agreement(Yes(POLICIES, CONTROLLER), sample(), expected)


def test_synthetic_policy_has_as_many_statements_as_asked_for() -> None:
    """It compiles with the vocabulary that it is drawn from."""
    like = POLICIES.versions(CONTROLLER)[-1]
    policy = draw_policy(Random(1), like, 60)  # noqa: S311  # the same
    compiled = PolicySet({CONTROLLER: like.vocabulary}, [policy]).versions(CONTROLLER)[0]
    assert len(compiled.statements) == 60


def test_statement_that_the_other_engines_would_read_otherwise_is_refused() -> None:
    """No engine is timed on a policy that its translation does not express."""
    statement = POLICIES.versions(CONTROLLER)[-1].statements[0]
    check_translatable([statement])
    excepting = replace(statement, exceptions={Dimension.PURPOSE: ("marketing",)})
    for other in (excepting, replace(statement, retention_at_least=1)):
        with pytest.raises(ValueError, match=f"`{statement.id}` has exceptions"):
            check_translatable([other])


def test_core_without_a_sentence_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core's time includes the reason of each category in words."""
    core = Core(POLICIES, CONTROLLER)
    flow = sample()[0]
    decided = decide(flow, core._at, POLICIES)
    decided.categories[0].sentence = ""
    monkeypatch.setattr("bench.core.engines.core.decide", lambda *_: decided)
    with pytest.raises(ValueError, match="no reason in words"):
        core.permits(core.prepare(flow))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 51), (0.99, 100), (1.0, 100)])
def test_quantile(share: float, expected: int) -> None:
    """A quantile is one of the values, the largest for the whole share."""
    assert expected == quantile(range(1, 101), share)
