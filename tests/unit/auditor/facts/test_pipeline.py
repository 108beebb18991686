"""Events that depend on facts wait for the ledger, and are decided by what it says."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka import ConsumerRecord

from purposewatch_auditor.audit import Decider, decider_for
from purposewatch_auditor.facts import FactsBehindError, FactsLedger, FactsView
from purposewatch_auditor.facts.records import RecordReader
from purposewatch_auditor.facts.state import FactState, Position
from purposewatch_auditor.pipeline import AuditPipeline
from purposewatch_contract import FactFinding, Verdict
from purposewatch_policy import Kind, Outcome, load_policies
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    DeadLetterLimit,
    DeadLetterPolicy,
    OutgoingRecord,
    Record,
)
from purposewatch_runtime.metrics import MetricSet
from tests.harness.facts import (
    CONSENT,
    START,
    advertising,
    policies_with_ledger,
    statement,
    stating,
)
from tests.unit.auditor.test_pipeline import event

if TYPE_CHECKING:
    from purposewatch_contract.codec import DecodedFact


class Ledger:
    """Stands for the ledger of facts: a state that is current once somebody has waited for it."""

    def __init__(self, directory: Path) -> None:
        self.state = FactState(directory, max_partitions=2)
        self.arriving: list[DecodedFact] = []
        """Applied as soon as somebody waits."""
        self.waits: list[set[int]] = []
        self.error: Exception | None = None

    async def catch_up(self, partitions: Collection[int]) -> None:
        """Apply what is arriving."""
        self.waits.append(set(partitions))
        if self.error is not None:
            raise self.error
        changes, _ = RecordReader().changes(
            [stating(fact, offset) for offset, fact in enumerate(self.arriving)]
        )
        for partition in partitions:
            self.state.open(partition)
        self.state.apply({0: changes}, {0: Position(len(changes))})

    @contextmanager
    def reading(self) -> Iterator[FactsView]:
        """What is in the state."""
        with self.state.view() as view:
            yield FactsView(view)


class Published(list[OutgoingRecord]):
    """Stands for the producer."""

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Keep the records."""
        self.extend(records)

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts among them."""
        return [Verdict.model_validate_json(each.value) for each in self]


@pytest.fixture(scope="module")
def decider(tmp_path_factory: pytest.TempPathFactory) -> Decider:
    """Consent is a fact of the ledger."""
    directory = tmp_path_factory.mktemp("policies") / "policies"
    return decider_for(load_policies(policies_with_ledger(directory)))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that is empty."""
    made = Ledger(tmp_path / "facts")
    yield made
    made.state.close()


@pytest.fixture
def published() -> Published:
    """What has been published so far."""
    return Published()


@pytest.fixture
def pipeline(ledger: Ledger, decider: Decider, published: Published) -> AuditPipeline:
    """The handler with this ledger."""
    return AuditPipeline(
        decider=lambda: decider,
        facts=cast("FactsLedger", ledger),
        producer=cast("AcknowledgedProducer", published),
        limit=DeadLetterLimit(DeadLetterPolicy(max_consecutive=4, max_ratio=1, window=1000)),
        verdicts_topic="verdicts",
        dead_letters_topic="dead-letters",
        metric_set=MetricSet("auditor", version="0"),
        clock=lambda: datetime(2026, 3, 2, 9, tzinfo=UTC),
    )


def records(*values: bytes, partition: int = 0) -> list[Record]:
    """Records of the events topic."""
    return [
        ConsumerRecord("events", partition, offset, 0, 0, b"psn", value, None, 0, 0, ())
        for offset, value in enumerate(values)
    ]


async def test_the_ledger_is_asked_as_of_the_events_own_time(
    pipeline: AuditPipeline, ledger: Ledger, published: Published
) -> None:
    """Consent given at 1 and withdrawn at 3: what counts is when the access happened."""
    ledger.arriving = [
        statement(since=1, name="given", evidence="form:7"),
        statement(since=3, value=False, name="withdrawn"),
    ]

    await pipeline.handle(records(*[advertising(number=n, hour=n) for n in range(5)]))

    assert [each.outcome for each in published.verdicts] == [
        Outcome.VIOLATION,
        Outcome.PERMITTED,
        Outcome.PERMITTED,
        Outcome.VIOLATION,
        Outcome.VIOLATION,
    ]
    assert {each.kind for each in published.verdicts} == {None, Kind.CONTRADICTED_CLAIM}


async def test_a_verdict_says_what_the_ledger_said(
    pipeline: AuditPipeline, ledger: Ledger, published: Published
) -> None:
    """Claim and value, since when, and by which statement with which evidence."""
    ledger.arriving = [
        statement(since=1, until=2, name="given", evidence="form:7"),
    ]

    await pipeline.handle(
        records(
            *[
                advertising(number=n, hour=n, claims=claims)
                for n, claims in enumerate([None, False, True])
            ]
        )
    )

    given: dict[str, Any] = {
        "fact": CONSENT,
        "since": START + timedelta(hours=1),
        "until": START + timedelta(hours=2),
        "statement": "given",
        "source": "/consents",
        "evidence": "form:7",
    }
    assert [each.facts for each in published.verdicts] == [
        (FactFinding(fact=CONSENT),),
        (FactFinding(claimed=False, value=True, **given),),
        (FactFinding(claimed=True, value=None, **given),),
    ]
    assert [each.kind for each in published.verdicts] == [
        Kind.CONDITION_NOT_MET,
        None,
        Kind.CONTRADICTED_CLAIM,
    ]


async def test_events_without_such_facts_wait_for_nothing(
    pipeline: AuditPipeline, ledger: Ledger, published: Published
) -> None:
    """They cost what they cost without a ledger, and their verdicts say nothing of facts."""
    await pipeline.handle(records(event(), event()))

    assert (ledger.waits, len(published)) == ([], 2)
    assert b'"facts":[' not in published[0].value


async def test_only_partitions_with_such_events_are_waited_for(
    pipeline: AuditPipeline, ledger: Ledger, published: Published
) -> None:
    """Verdicts go out in the order of the events all the same."""
    await pipeline.handle(
        [*records(event(), advertising(), event()), *records(event(), b"bad", partition=1)]
    )

    assert ledger.waits == [{0}]
    assert [each.partition for each in published] == [0, 0, 0, 1, 1]
    assert [b'"facts":[' in each.value for each in published] == [False, True, False, False, False]


async def test_a_batch_is_not_decided_by_old_facts(
    pipeline: AuditPipeline, ledger: Ledger, published: Published
) -> None:
    """When the facts are not current in time, the batch is put back, whole."""
    ledger.error = FactsBehindError("behind by 3 records")

    with pytest.raises(FactsBehindError):
        await pipeline.handle(records(event(), advertising()))

    assert published == []


async def test_decisions_are_shared_between_subjects(
    pipeline: AuditPipeline, ledger: Ledger, published: Published
) -> None:
    """What names a statement stands beside the decision, and each verdict has its own."""
    ledger.arriving = [statement(subject=n, name=f"given-{n}", since=n) for n in range(3)]

    await pipeline.handle(records(*[advertising(number=n, subject=n, hour=5) for n in range(4)]))

    assert [each.facts[0].statement for each in published.verdicts] == [
        "given-0",
        "given-1",
        "given-2",
        None,
    ]
