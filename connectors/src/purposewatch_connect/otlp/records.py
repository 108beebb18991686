"""Spans and log records become observations."""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from purposewatch_connect.mapping import Gap, GapKind, Observation, make_gap
from purposewatch_connect.otlp.attributes import texts_of
from purposewatch_connect.otlp.conventions import Use, UseReader, statement_of, states
from purposewatch_contract import is_traceparent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """What one span or log record says about accesses."""

    observations: tuple[Observation, ...] = ()
    gaps: tuple[Gap, ...] = ()
    is_stated: bool = False
    """Whether the record itself asks for an event: its sender is told if there is none."""


NO_ACCESS = ReadRecord()
"""What a record about something else says."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where and when a record was made."""

    identity: str
    time: datetime | None
    traceparent: str | None


class OtlpReader:
    """Reads the requests of OTLP."""

    def __init__(self, secret: bytes) -> None:
        """Take the secret that records without an id of their own are identified with.

        They are identified by their content, which may hold the identifier of a data subject, so
        that a plain digest of it could be found out by trying.
        """
        self._secret = secret
        self._uses = UseReader()

    def spans(self, request: ExportTraceServiceRequest, now: datetime) -> Iterator[ReadRecord]:
        """What each span of the request says."""
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = texts_of(resource.resource.attributes, span.attributes)
                    is_client = span.kind == Span.SPAN_KIND_CLIENT
                    uses = self._uses.uses(attributes, is_client=is_client)
                    if uses or states(attributes):
                        yield _read(attributes, uses, self._origin_of_span(span), now)
                    else:
                        yield NO_ACCESS

    def logs(self, request: ExportLogsServiceRequest, now: datetime) -> Iterator[ReadRecord]:
        """What each log record of the request says."""
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    attributes = texts_of(resource.resource.attributes, record.attributes)
                    uses = self._uses.uses(attributes, is_client=False)
                    if uses or states(attributes):
                        yield _read(attributes, uses, self._origin_of_log(attributes, record), now)
                    else:
                        yield NO_ACCESS

    def _origin_of_span(self, span: Span) -> _Origin:
        ids = f"{span.trace_id.hex()}-{span.span_id.hex()}"
        traceparent = _traceparent(ids, span.flags)
        if traceparent is None:
            return _Origin(f"otlp-span/{self._digest(span)}", None, None)
        return _Origin(f"otlp-span/{ids}", _time(span.start_time_unix_nano), traceparent)

    def _origin_of_log(self, attributes: Mapping[str, str], record: LogRecord) -> _Origin:
        own = attributes.get("log.record.uid") or self._digest(record)
        ids = f"{record.trace_id.hex()}-{record.span_id.hex()}"
        return _Origin(
            f"otlp-log/{own}",
            _time(record.time_unix_nano or record.observed_time_unix_nano),
            _traceparent(ids, record.flags),
        )

    def _digest(self, record: Span | LogRecord) -> str:
        content = record.SerializeToString(deterministic=True)
        return hmac.digest(self._secret, content, "sha256").hex()


def _time(nanoseconds: int) -> datetime | None:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000) if nanoseconds else None


def _traceparent(ids: str, flags: int) -> str | None:
    text = f"00-{ids}-{flags & 0xFF:02x}"
    return text if is_traceparent(text) else None


def _read(
    attributes: Mapping[str, str], uses: Sequence[Use], origin: _Origin, now: datetime
) -> ReadRecord:
    service = attributes.get("service.name", "")
    statement = statement_of(attributes)
    if origin.time is None or statement.is_faulty:
        gap = make_gap(
            GapKind.UNREADABLE_RECORD, service, identity=origin.identity, time=origin.time or now
        )
        return ReadRecord(gaps=(gap,), is_stated=states(attributes))
    if statement.categories:  # one access, whatever was used for it
        uses = uses[:1]
    elif any(use.is_unparsed for use in uses):
        name = next(use.dataset or "" for use in uses if use.is_unparsed)
        gap = make_gap(GapKind.UNPARSED_STATEMENT, name, identity=origin.identity, time=origin.time)
        return ReadRecord(gaps=(gap,), is_stated=states(attributes))
    observations = (
        Observation(
            identity=f"{origin.identity}/{number}",
            time=origin.time,
            action=use.action,
            services=(service,) if service else (),
            dataset=use.dataset,
            columns=use.columns,
            host=use.host,
            subjects=use.subjects,
            attributes=attributes,
            terms=statement.terms,
            categories=statement.categories,
            subject_id=statement.subject_id,
            traceparent=origin.traceparent,
            label=use.label,
        )
        for number, use in enumerate(uses or (Use(),))
    )
    return ReadRecord(tuple(observations), is_stated=states(attributes))
