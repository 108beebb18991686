"""Verdicts in the auditor's own notation; flow and reasons are decoded when they are new."""

import re
from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec

from purposewatch_contract import terms
from purposewatch_contract.codec.caches import SenderCache, TextCache, TimestampCache
from purposewatch_contract.codec.flow import FlowDecoder, count_text
from purposewatch_contract.codec.interface import (
    DecodedEvent,
    DecodedFactFinding,
    DecodedPolicy,
    DecodedVerdict,
    Flow,
    FlowDecision,
)
from purposewatch_contract.codec.patterns import COUNT, INSTANT, Term, exactly, unanchored
from purposewatch_contract.codec.reference import ReferenceVerdictCodec
from purposewatch_contract.event import MAX_ORIGIN
from purposewatch_contract.verdict import VERDICT_SCHEMA
from purposewatch_policy import (
    CategoryDecision,
    Decision,
    Dimension,
    FailedDimension,
    Grade,
    Kind,
    Outcome,
)

# INVARIANT: what matches is, once the flow and the reasons behind it, source, publisher and the
# two cached timestamps are found valid, the beginning of a whole JSON text with every field once.
_HEAD = re.compile(
    rf'\{{"dataschema":"{re.escape(VERDICT_SCHEMA)}"'
    r',"position":\{"topic":"([A-Za-z0-9._-]{1,249})"'
    r',"partition":(0|[1-9][0-9]{0,9}),"offset":(0|[1-9][0-9]{0,18})\}'
    rf',"origin":"(?P<origin>{unanchored(terms.ORIGIN_PATTERN)})"'
    rf',"event_id":"({unanchored(terms.IDENTIFIER_PATTERN)})"'
    r',"event_source":"([^"]*)"'
    rf',"event_time":"({INSTANT})"'
    r',"accepted_time":"([^"]*)"'
    r',"decided_time":"([^"]*)"'
    r',"publisher":"([^"]*)"'
    rf',"content_digest":"({unanchored(terms.DIGEST_PATTERN)})"'
    rf'(?:,"traceparent":"({unanchored(terms.TRACEPARENT_PATTERN)})")?'
    r'(?:,"facts":(\[[^]]*\]))?'
    r',"data":'
).match
_SUBJECT = ',"subject":"'
_DATA_ENDS = re.compile(
    rf'({unanchored(terms.PSEUDONYM_PATTERN)})"(?:,"count":({COUNT}))?\}},'
).match


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
        """The same as a dataclass; msgspec would ignore unknown fields of that."""
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


_Instant: TypeAlias = Annotated[str, msgspec.Meta(pattern=exactly(INSTANT))]


class _Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding about a fact, its times in the auditor's own notation."""

    fact: Term
    claimed: bool | None = None
    value: bool | None = None
    since: _Instant | None = None
    until: _Instant | None = None
    statement: Annotated[str, msgspec.Meta(pattern=exactly(terms.IDENTIFIER_PATTERN))] | None = None
    source: Annotated[str, msgspec.Meta(pattern=exactly(terms.SOURCE_PATTERN))] | None = None
    evidence: Annotated[str, msgspec.Meta(pattern=exactly(terms.EVIDENCE_PATTERN))] | None = None

    def finding(self) -> DecodedFactFinding:
        """The same with times; raises `ValueError` for one that the calendar does not have."""
        return DecodedFactFinding(
            self.fact,
            self.claimed,
            self.value,
            None if self.since is None else datetime.fromisoformat(self.since),
            None if self.until is None else datetime.fromisoformat(self.until),
            self.statement,
            self.source,
            self.evidence,
        )


class _StatedReasons(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a verdict says after the data."""

    outcome: Outcome
    categories: Annotated[tuple[_Category, ...], msgspec.Meta(min_length=1)]
    kind: Kind | None = None
    policy: DecodedPolicy | None = None


class _Reasons(msgspec.Struct, frozen=True):
    """The same in the policy engine's terms."""

    outcome: Outcome
    kind: Kind | None
    policy: DecodedPolicy | None
    categories: tuple[CategoryDecision, ...]


class _LastVerdict(msgspec.Struct, frozen=True):
    """The last verdict about a flow: the next one mostly says the same.

    Comparing two texts takes less than half of the time of a look-up.
    """

    flow: Flow
    text: str
    decision: FlowDecision


class FastVerdictCodec:
    """Decodes and encodes verdicts; caches flows, reasons, senders and shared timestamps."""

    def __init__(self) -> None:
        self._reference = ReferenceVerdictCodec()
        self._decode_stated = msgspec.json.Decoder(_StatedReasons).decode
        self._decode_findings = msgspec.json.Decoder(tuple[_Finding, ...]).decode
        self._flows = FlowDecoder()
        self._timestamps = TimestampCache()
        self._senders = SenderCache()
        self._reasons: TextCache[_Reasons] = TextCache()
        self._last: TextCache[_LastVerdict] = TextCache()
        self._topic = ""
        self._decided_time: datetime | None = None
        self._opening = ""
        self._decided = ""

    def decode(self, value: bytes) -> DecodedVerdict:
        """See `VerdictCodec`."""
        try:
            text = value.decode()
            head = _HEAD(text)
            cut = -1 if head is None else text.find(_SUBJECT, head.end())
            match = _DATA_ENDS(text, cut + len(_SUBJECT))
            if head is not None and match is not None and len(head["origin"]) <= MAX_ORIGIN:
                (topic, partition, offset, origin, event_id, source, time, accepted, decided,
                 publisher, digest, trace, facts) = head.groups()  # fmt: skip
                if self._senders.get((source, publisher)) is None:
                    self._senders.check(source, publisher)
                subject, count = match.groups()
                flow_text, reasons_text = text[head.end() : cut], text[match.end() :]
                last = self._last.get(flow_text)
                if last is None or reasons_text != last.text:
                    last = self._decode_new(flow_text, subject, reasons_text)
                decision = last.decision
                return DecodedVerdict(
                    topic,
                    int(partition),
                    int(offset),
                    origin,
                    event_id,
                    source,
                    publisher,
                    digest,
                    trace,
                    subject,
                    datetime.fromisoformat(time),
                    self._timestamps.get(accepted) or self._timestamps.parse(accepted),
                    self._timestamps.get(decided) or self._timestamps.parse(decided),
                    last.flow,
                    decision.outcome,
                    decision.kind,
                    decision.policy,
                    decision.categories,
                    decision,
                    () if facts is None else self._decode_facts(facts),
                    1 if count is None else int(count),
                )
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass  # the reference decides
        return self._reference.decode(value)

    def _decode_facts(self, text: str) -> tuple[DecodedFactFinding, ...]:
        return tuple(each.finding() for each in self._decode_findings(text))

    def _decode_new(self, flow_text: str, subject: str, text: str) -> _LastVerdict:
        """Flow and reasons of a verdict unlike the last one about the flow."""
        flow = self._flows.cached(flow_text) or self._flows.decode(flow_text, subject)
        reasons = self._reasons.get(text) or self._decode_reasons(text)
        decision = FlowDecision(
            flow.text, reasons.outcome, reasons.kind, reasons.policy, reasons.categories
        )
        last = _LastVerdict(flow.terms, text, decision)
        self._last.put(flow_text, last, cost=len(text))
        return last

    def _decode_reasons(self, text: str) -> _Reasons:
        """INVARIANT: a text is cached only if it is, behind a brace, a whole JSON object."""
        stated = self._decode_stated(f"{{{text}")
        categories = tuple(each.decision() for each in stated.categories)
        reasons = _Reasons(stated.outcome, stated.kind, stated.policy, categories)
        self._reasons.put(text, reasons)
        return reasons

    @staticmethod
    def encode_decision(decision: Decision) -> bytes:
        """See `VerdictCodec`: the end of a verdict."""
        policy = None
        if decision.policy_version is not None and decision.policy_digest is not None:
            policy = DecodedPolicy(decision.policy_version, decision.policy_digest)
        reasons = _Reasons(decision.outcome, decision.kind, policy, decision.categories)
        return msgspec.json.encode(reasons)[1:]

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
        """See `VerdictCodec`.

        INVARIANT: what is put between quotes here needs no escape: see `DecodedEvent`.
        """
        if decided_time is not self._decided_time or topic != self._topic:
            self._open(topic, decided_time)
        trace = "" if event.traceparent is None else f',"traceparent":"{event.traceparent}"'
        stated = f',"facts":{msgspec.json.encode(facts).decode()}' if facts else ""
        return (
            f'{self._opening}{partition},"offset":{offset}}},"origin":"{event.origin}",'
            f'"event_id":"{event.id}","event_source":"{event.source}",'
            f'"event_time":"{event.time_text}","accepted_time":"{event.accepted_text}",'
            f'{self._decided},"publisher":"{event.publisher}",'
            f'"content_digest":"{event.content_digest}"{trace}{stated},'
            f'"data":{event.flow.text}{event.subject}"{count_text(event.count)}}},'
        ).encode() + decision

    def _open(self, topic: str, decided_time: datetime) -> None:
        """Encode what the verdicts of one batch have in common."""
        position = msgspec.json.encode({"topic": topic})[:-1].decode()
        self._opening = f'{{"dataschema":"{VERDICT_SCHEMA}","position":{position},"partition":'
        self._decided = f'"decided_time":{msgspec.json.encode(decided_time).decode()}'
        self._topic, self._decided_time = topic, decided_time
