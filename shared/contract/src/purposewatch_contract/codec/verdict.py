"""Reads and writes verdicts: what repeats, flow and reasons, when it is new."""

import re
from datetime import datetime
from typing import Annotated

import msgspec

from purposewatch_contract import terms
from purposewatch_contract.codec.cache import BoundedCache
from purposewatch_contract.codec.event import DecodedEvent
from purposewatch_contract.codec.flow import Flow, FlowReader
from purposewatch_contract.codec.repeats import Moments, Senders
from purposewatch_contract.codec.texts import INSTANT, body
from purposewatch_contract.event import MAX_ORIGIN
from purposewatch_contract.verdict import VERDICT_SCHEMA, Verdict
from purposewatch_policy import (
    CategoryDecision,
    Decision,
    Dimension,
    FailedDimension,
    Grade,
    Kind,
    Outcome,
)

# INVARIANT: what matches is, once flow and reasons behind it are found valid and its repeats are
# checked, the beginning of a whole JSON text with every field once.
_HEAD = re.compile(
    rf'\{{"dataschema":"{re.escape(VERDICT_SCHEMA)}"'
    r',"position":\{"topic":"([A-Za-z0-9._-]{1,249})"'
    r',"partition":(0|[1-9][0-9]{0,9}),"offset":(0|[1-9][0-9]{0,18})\}'
    rf',"origin":"({body(terms.ORIGIN_PATTERN)})"'
    rf',"event_id":"({body(terms.IDENTIFIER_PATTERN)})"'
    r',"event_source":"([^"]*)"'
    rf',"event_time":"({INSTANT})"'
    r',"accepted_time":"([^"]*)"'
    r',"decided_time":"([^"]*)"'
    r',"publisher":"([^"]*)"'
    rf',"content_digest":"({body(terms.DIGEST_PATTERN)})"'
    rf'(?:,"traceparent":"({body(terms.TRACEPARENT_PATTERN)})")?'
    r',"data":'
).match
_UNUSUAL = "is not written as the auditor writes it"
_SUBJECT = ',"subject":"'
_SUBJECT_ENDS = re.compile(rf'({body(terms.PSEUDONYM_PATTERN)})"\}},').match


class DecodedPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The policy version that a verdict was reached under."""

    version: str
    digest: str


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


class _StatedReasons(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a verdict says after the data."""

    outcome: Outcome
    categories: Annotated[tuple[_Category, ...], msgspec.Meta(min_length=1)]
    kind: Kind | None = None
    policy: DecodedPolicy | None = None


class _Reasons(msgspec.Struct, frozen=True):
    """The same as everybody else has it."""

    outcome: Outcome
    kind: Kind | None
    policy: DecodedPolicy | None
    categories: tuple[CategoryDecision, ...]


class _Usual(msgspec.Struct, frozen=True):
    """What the last verdict about a flow said: the next one mostly says the same.

    To compare texts takes less than half of the time of looking one up.
    """

    flow: Flow
    text: str
    reasons: _Reasons


class DecodedVerdict(msgspec.Struct, frozen=True, gc=False):
    """A valid verdict."""

    topic: str
    """With `partition` and `offset`: where its event stands in Kafka."""
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
    """Shared between verdicts about equal flows, as `categories` between equal decisions.

    INVARIANT: of verdicts that share their `categories`, outcome, kind and policy are equal, too.
    """
    outcome: Outcome
    kind: Kind | None
    policy: DecodedPolicy | None
    categories: tuple[CategoryDecision, ...]


class VerdictReader:
    """Reads one verdict after the other, and knows again what repeats."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_StatedReasons).decode
        self._flows = FlowReader()
        self._moments = Moments()
        self._senders = Senders()
        self._known: BoundedCache[_Reasons] = BoundedCache()
        self._usual: BoundedCache[_Usual] = BoundedCache()

    def read(self, value: bytes) -> DecodedVerdict:
        """The verdict; raises `pydantic.ValidationError` for what `Verdict` refuses."""
        try:
            return self._read(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self._from_model(Verdict.model_validate_json(value))

    def _read(self, value: bytes) -> DecodedVerdict:
        text = value.decode()
        head = _HEAD(text)
        if head is None:
            raise ValueError(_UNUSUAL)
        cut = text.find(_SUBJECT, head.end())
        named = _SUBJECT_ENDS(text, cut + len(_SUBJECT))
        if named is None:
            raise ValueError(_UNUSUAL)
        (topic, partition, offset, origin, name, source, time, accepted, decided, publisher,
         digest, trace) = head.groups()  # fmt: skip
        if len(origin) > MAX_ORIGIN:
            message = "has too long an origin"
            raise ValueError(message)
        if (source, publisher) not in self._senders:
            self._senders.meet(source, publisher)
        subject = named[1]
        flow_text = text[head.end() : cut]
        usual = self._usual.get(flow_text)
        if usual is None or text[named.end() :] != usual.text:
            usual = self._meet(flow_text, subject, text[named.end() :])
        reasons = usual.reasons
        return DecodedVerdict(
            topic,
            int(partition),
            int(offset),
            origin,
            name,
            source,
            publisher,
            digest,
            trace,
            subject,
            datetime.fromisoformat(time),
            self._moments[accepted],
            self._moments[decided],
            usual.flow,
            reasons.outcome,
            reasons.kind,
            reasons.policy,
            reasons.categories,
        )

    def _meet(self, flow_text: str, subject: str, text: str) -> _Usual:
        """Flow and reasons of a verdict unlike the last one about such a flow."""
        flow = self._flows.recognise(flow_text) or self._flows.read(flow_text, subject)
        reasons = self._known.get(text) or self._read_reasons(text)
        usual = _Usual(flow.terms, text, reasons)
        self._usual.keep(flow_text, usual, beside=len(text))
        return usual

    def _read_reasons(self, text: str) -> _Reasons:
        """INVARIANT: a text is remembered only if it is, behind a brace, a whole JSON object."""
        stated = self._decode(f"{{{text}")
        categories = tuple(each.decision() for each in stated.categories)
        reasons = _Reasons(stated.outcome, stated.kind, stated.policy, categories)
        self._known.keep(text, reasons)
        return reasons

    def _from_model(self, verdict: Verdict) -> DecodedVerdict:
        position, policy = verdict.position, verdict.policy
        return DecodedVerdict(
            position.topic,
            position.partition,
            position.offset,
            verdict.origin,
            verdict.event_id,
            verdict.event_source,
            verdict.publisher,
            verdict.content_digest,
            verdict.traceparent,
            verdict.data.subject,
            verdict.event_time,
            verdict.accepted_time,
            verdict.decided_time,
            self._flows.from_model(verdict.data).terms,
            verdict.outcome,
            verdict.kind,
            None if policy is None else DecodedPolicy(policy.version, policy.digest),
            verdict.categories,
        )


def encode_reasons(decision: Decision) -> bytes:
    """The decision as the end of a verdict, in JSON: what can be remembered with it."""
    policy = None
    if decision.policy_version is not None and decision.policy_digest is not None:
        policy = DecodedPolicy(decision.policy_version, decision.policy_digest)
    reasons = _Reasons(decision.outcome, decision.kind, policy, decision.categories)
    return msgspec.json.encode(reasons)[1:]


class VerdictWriter:
    """Writes verdicts about one topic's events that were reached at one moment."""

    def __init__(self, topic: str, decided_time: datetime) -> None:
        """`topic` is the events topic; `decided_time` has a zone."""
        position = msgspec.json.encode({"topic": topic})[:-1].decode()
        self._start = f'{{"dataschema":"{VERDICT_SCHEMA}","position":{position},"partition":'
        self._decided = f'"decided_time":{msgspec.json.encode(decided_time).decode()}'

    def write(self, event: DecodedEvent, reasons: bytes, *, partition: int, offset: int) -> bytes:
        """The verdict in JSON; `reasons` come from `encode_reasons`.

        INVARIANT: what is put between quotes here comes out of alphabets without quotes,
        backslashes and control characters: `DecodedEvent` holds nothing else.
        """
        trace = "" if event.traceparent is None else f',"traceparent":"{event.traceparent}"'
        start = (
            f'{self._start}{partition},"offset":{offset}}},"origin":"{event.origin}",'
            f'"event_id":"{event.id}","event_source":"{event.source}",'
            f'"event_time":"{event.time_text}","accepted_time":"{event.accepted_text}",'
            f'{self._decided},"publisher":"{event.publisher}",'
            f'"content_digest":"{event.content_digest}"{trace},'
            f'"data":{event.flow.text}{event.subject}"}},'
        )
        return start.encode() + reasons
