"""The codec interface: decoded messages, and what every codec promises.

INVARIANT: a codec accepts exactly what the reference codec accepts and decodes it to the same
values. A property test compares the two.
"""

from datetime import datetime
from typing import Annotated, Protocol

import msgspec

from purposewatch_contract.codec.patterns import Controller, Term
from purposewatch_policy import (
    MAX_DATA_CATEGORIES,
    MAX_FACTS,
    CategoryDecision,
    Decision,
    Kind,
    Outcome,
)


class Flow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One flow of personal data, as `purposewatch_policy.flow.Flow` has it."""

    controller: Controller
    role: Term
    operation: Term
    purpose: Term
    recipient: Term
    data_categories: Annotated[
        tuple[Term, ...], msgspec.Meta(min_length=1, max_length=MAX_DATA_CATEGORIES)
    ]
    source: Term | None = None
    location: Term | None = None
    retention_days: Annotated[int, msgspec.Meta(ge=0, le=36_525)] | None = None
    legal_basis: Term | None = None
    facts: Annotated[dict[Term, bool], msgspec.Meta(max_length=MAX_FACTS)] = {}


class DecodedFlow(msgspec.Struct, frozen=True, gc=False):
    """A valid flow. Shared between messages: must not be changed."""

    terms: Flow
    text: str
    """Opens the `data` of a message about this flow, up to the value of `subject`, which follows.
    Equal flows have equal texts, and only they do."""


class DecodedSubmission(msgspec.Struct, frozen=True, gc=False):
    """A submitted event that satisfies the contract."""

    id: str
    source: str
    time: datetime
    traceparent: str | None
    subject_id: str
    flow: DecodedFlow
    count: int = 1
    """How many accesses it stands for."""
    flow_key: bytes | None = None
    """What `SubmissionCodec.cache_flow` caches the flow by; `None` if it is cached, or can't be."""


class DecodedEvent(msgspec.Struct, frozen=True, gc=False):
    """A canonical event.

    INVARIANT: no text in it needs an escape in JSON.
    """

    flow: DecodedFlow
    subject: str
    """A pseudonym."""
    id: str
    source: str
    publisher: str
    content_digest: str
    origin: str
    traceparent: str | None
    time: datetime
    accepted_time: datetime
    time_text: str
    """RFC 3339, as it is to be passed on; so is `accepted_text`."""
    accepted_text: str
    count: int = 1
    """How many accesses it stands for."""


class DecodedFact(msgspec.Struct, frozen=True, gc=False):
    """A statement of a fact, as ingest passes it on.

    INVARIANT: no text in it needs an escape in JSON.
    """

    subject: str
    """A pseudonym."""
    controller: str
    fact: str
    value: bool
    effective_from: datetime
    until: datetime | None
    evidence: str | None
    id: str
    source: str
    publisher: str
    content_digest: str
    origin: str
    traceparent: str | None
    time: datetime
    accepted_time: datetime


class DecodedFactFinding(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the ledger said about a fact that could have mattered to a decision."""

    fact: str
    claimed: bool | None = None
    """What the event stated."""
    value: bool | None = None
    """What the statement in force states; `None` when there is none, or it has expired."""
    since: datetime | None = None
    """With the next four: of the statement in force, also when it has expired."""
    until: datetime | None = None
    statement: str | None = None
    source: str | None = None
    evidence: str | None = None


class DecodedPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The policy version that a verdict was reached under."""

    version: str
    digest: str


class FlowDecision(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What was decided about which flow: a key to group verdicts by.

    Its hash is computed once. Codecs share it between verdicts, so that most look-ups find the
    same object and compare nothing.
    """

    flow: str
    """`DecodedFlow.text`, because a flow with facts can't be hashed."""
    outcome: Outcome
    kind: Kind | None
    policy: DecodedPolicy | None
    categories: tuple[CategoryDecision, ...]


class DecodedVerdict(msgspec.Struct, frozen=True, gc=False):
    """A valid verdict."""

    topic: str
    """With `partition` and `offset`: the position of its event."""
    partition: int
    offset: int
    origin: str
    event_id: str
    event_source: str
    publisher: str
    content_digest: str
    traceparent: str | None
    subject: str
    event_time: datetime
    accepted_time: datetime
    decided_time: datetime
    data: Flow
    outcome: Outcome
    kind: Kind | None
    policy: DecodedPolicy | None
    categories: tuple[CategoryDecision, ...]
    flow_decision: FlowDecision
    """The previous five in one value that can be hashed."""
    facts: tuple[DecodedFactFinding, ...] = ()
    count: int = 1
    """How many accesses the event stands for."""


class SubmissionCodec(Protocol):
    """Decodes submitted events. Publishers encode them."""

    def decode(self, value: bytes) -> DecodedSubmission:
        """Decode a JSON text; raises `RefusedError` for one that breaks the contract."""

    def cache_flow(self, submission: DecodedSubmission) -> None:
        """Cache the flow of a submission that was admitted, without its subject."""


class EventCodec(Protocol):
    """Decodes and encodes canonical events."""

    def decode(self, value: bytes) -> DecodedEvent:
        """Decode a JSON text; raises `pydantic.ValidationError` if it is not a canonical event."""

    def encode(self, event: DecodedEvent) -> bytes:
        """Encode an event as JSON."""


class VerdictCodec(Protocol):
    """Decodes and encodes verdicts."""

    def decode(self, value: bytes) -> DecodedVerdict:
        """Decode a JSON text; raises `pydantic.ValidationError` if it is not a verdict."""

    def encode_decision(self, decision: Decision) -> bytes:
        """Encode the part of a verdict that depends on the decision alone and can be cached."""

    def encode(  # noqa: PLR0913 - what makes a verdict
        self,
        event: DecodedEvent,
        decision: bytes,
        *,
        topic: str,
        partition: int,
        offset: int,
        decided_time: datetime,
        facts: tuple[DecodedFactFinding, ...] = (),
    ) -> bytes:
        """Encode the verdict about the event at this position as JSON.

        `decision` comes from `encode_decision`, `decided_time` has a zone. Times in `facts` are in
        UTC.
        """


class FactCodec(Protocol):
    """Decodes and encodes statements of facts."""

    def decode(self, value: bytes) -> DecodedFact:
        """Decode a JSON text; raises `pydantic.ValidationError` if it is not such a statement."""

    def encode(self, fact: DecodedFact) -> bytes:
        """Encode a statement as JSON, its times in UTC."""
