"""Reads and writes verdicts: what repeats, flow and reasons, when it is new."""

import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from purposewatch_shared import terms
from purposewatch_shared.decision import (
    CategoryDecision,
    Decision,
    Dimension,
    FailedDimension,
    Grade,
    Kind,
    Outcome,
)
from purposewatch_shared.verdict import VERDICT_SCHEMA, Verdict
from purposewatch_shared.wire.event import WireEvent
from purposewatch_shared.wire.flow import FlowReader, ReadFlow
from purposewatch_shared.wire.memory import TextMemory
from purposewatch_shared.wire.texts import INSTANT, body, is_traceparent

# INVARIANT: none of these matches a line break, see `wire.event`.
_FIELDS = re.compile(
    "\n".join(
        (
            body(terms.IDENTIFIER_PATTERN),
            body(terms.SOURCE_PATTERN),
            body(terms.PUBLISHER_PATTERN),
            body(terms.DIGEST_PATTERN),
            INSTANT,
            INSTANT,
            INSTANT,
        )
    )
)


class WirePosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where a record stands in Kafka."""

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=249)]
    partition: Annotated[int, msgspec.Meta(ge=0)]
    offset: Annotated[int, msgspec.Meta(ge=0)]


class WirePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The policy version that a verdict was reached under."""

    version: str
    digest: str


class VerdictHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What a verdict says, as `Verdict` has it. Times are RFC 3339."""

    position: WirePosition
    origin: Annotated[str, msgspec.Meta(max_length=300)]
    event_id: str
    event_source: str
    event_time: str
    accepted_time: str
    decided_time: str
    publisher: str
    content_digest: str
    data: msgspec.Raw
    outcome: Outcome
    categories: msgspec.Raw
    traceparent: str | None = None
    kind: Kind | None = None
    policy: WirePolicy | None = None
    dataschema: Literal["urn:purposewatch:schema:verdict:1.0"] = (
        "urn:purposewatch:schema:verdict:1.0"
    )


class _Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dimension: Dimension
    expected: tuple[str, ...]
    actual: str | None


class _Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data_category: str
    outcome: Outcome
    kind: Kind | None
    grade: Grade | None
    distance: int | None
    statement: str | None
    clause: str | None
    failed: tuple[_Failed, ...]
    sentence: str

    def decision(self) -> CategoryDecision:
        """The same as everybody else has it: `decision` is a dataclass, which ignores too much."""
        failed = tuple(
            FailedDimension(each.dimension, each.expected, each.actual) for each in self.failed
        )
        return CategoryDecision(
            data_category=self.data_category,
            outcome=self.outcome,
            kind=self.kind,
            grade=self.grade,
            distance=self.distance,
            statement=self.statement,
            clause=self.clause,
            failed=failed,
            sentence=self.sentence,
        )


class WireVerdict(msgspec.Struct, frozen=True, gc=False):
    """A valid verdict. The flow and the categories are shared and must not be changed."""

    head: VerdictHead
    flow: ReadFlow
    subject: str
    event_time: datetime
    accepted_time: datetime
    decided_time: datetime
    categories: tuple[CategoryDecision, ...]


class VerdictReader:
    """Reads one verdict after the other, and knows flows and reasons again."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(VerdictHead).decode
        self._decode_categories = msgspec.json.Decoder(
            Annotated[tuple[_Category, ...], msgspec.Meta(min_length=1)]
        ).decode
        self._flows = FlowReader()
        self._known: TextMemory[tuple[CategoryDecision, ...]] = TextMemory()

    def read(self, value: bytes) -> WireVerdict:
        """The verdict; raises `pydantic.ValidationError` for what `Verdict` refuses."""
        try:
            return self._read(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self._from_model(Verdict.model_validate_json(value))

    def _read(self, value: bytes) -> WireVerdict:
        head = self._decode(value)
        fields = (
            f"{head.event_id}\n{head.event_source}\n{head.publisher}\n{head.content_digest}\n"
            f"{head.event_time}\n{head.accepted_time}\n{head.decided_time}"
        )
        if _FIELDS.fullmatch(fields) is None or not is_traceparent(head.traceparent):
            message = "has a field that is not as the schema says"
            raise ValueError(message)
        flow, subject = self._flows.read(bytes(head.data))
        text = bytes(head.categories)
        categories = self._known.get(text)
        if categories is None:
            categories = tuple(each.decision() for each in self._decode_categories(text))
            self._known.keep(text, categories)
        return WireVerdict(
            head,
            flow,
            subject,
            datetime.fromisoformat(head.event_time),
            datetime.fromisoformat(head.accepted_time),
            datetime.fromisoformat(head.decided_time),
            categories,
        )

    def _from_model(self, verdict: Verdict) -> WireVerdict:
        flow, subject = self._flows.from_model(verdict.data)
        position, policy = verdict.position, verdict.policy
        head = VerdictHead(
            position=WirePosition(position.topic, position.partition, position.offset),
            origin=verdict.origin,
            event_id=verdict.event_id,
            event_source=verdict.event_source,
            event_time=verdict.event_time.isoformat(),
            accepted_time=verdict.accepted_time.isoformat(),
            decided_time=verdict.decided_time.isoformat(),
            publisher=verdict.publisher,
            content_digest=verdict.content_digest,
            data=msgspec.Raw(),
            outcome=verdict.outcome,
            categories=msgspec.Raw(),
            traceparent=verdict.traceparent,
            kind=verdict.kind,
            policy=None if policy is None else WirePolicy(policy.version, policy.digest),
        )
        return WireVerdict(
            head,
            flow,
            subject,
            verdict.event_time,
            verdict.accepted_time,
            verdict.decided_time,
            verdict.categories,
        )


class _Reasons(msgspec.Struct):
    """What a verdict says after the data."""

    outcome: Outcome
    kind: Kind | None
    policy: WirePolicy | None
    categories: tuple[CategoryDecision, ...]


def encode_reasons(decision: Decision) -> bytes:
    """The decision as the end of a verdict, in JSON: what can be remembered with it."""
    policy = None
    if decision.policy_version is not None and decision.policy_digest is not None:
        policy = WirePolicy(decision.policy_version, decision.policy_digest)
    reasons = _Reasons(decision.outcome, decision.kind, policy, decision.categories)
    return msgspec.json.encode(reasons)[1:]


class VerdictWriter:
    """Writes verdicts about one topic's events that were reached at one moment."""

    def __init__(self, topic: str, decided_time: datetime) -> None:
        """`topic` is the events topic; `decided_time` has a zone."""
        position = msgspec.json.encode({"topic": topic})[:-1].decode()
        self._start = f'{{"dataschema":"{VERDICT_SCHEMA}","position":{position},"partition":'
        self._decided = f'"decided_time":{msgspec.json.encode(decided_time).decode()}'

    def write(self, event: WireEvent, reasons: bytes, *, partition: int, offset: int) -> bytes:
        """The verdict in JSON; `reasons` come from `encode_reasons`.

        INVARIANT: what is put between quotes here comes out of alphabets without quotes,
        backslashes and control characters: `WireEvent` holds nothing else.
        """
        head = event.head
        trace = f',"traceparent":"{head.traceparent}"' if head.traceparent is not None else ""
        start = (
            f'{self._start}{partition},"offset":{offset}}},"origin":"{head.origin}",'
            f'"event_id":"{head.id}","event_source":"{head.source}",'
            f'"event_time":"{head.time}","accepted_time":"{head.acceptedtime}",{self._decided},'
            f'"publisher":"{head.publisher}","content_digest":"{head.contentdigest}"{trace},"data":'
        )
        flow = event.flow.text
        return b'%b%b%b"},%b' % (start.encode(), flow, event.subject.encode(), reasons)
