"""Ingest over HTTP, as publishers with different rights."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from fastapi import FastAPI

from purposewatch_contract.codec import (
    EventCodec,
    FactCodec,
    ReferenceEventCodec,
    ReferenceFactCodec,
)
from purposewatch_ingest import app as composition
from purposewatch_ingest.http.events.status import EVENT_STATUS_EXAMPLE
from purposewatch_ingest.reporter import ReporterClient
from purposewatch_ingest.settings import IngestSettings
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, Tombstone
from tests.fuzz.asgi import Answer, HttpRequest, send
from tests.fuzz.target import Run, Target, assert_silent
from tests.fuzz.targets.samples import (
    EVENT,
    FACT,
    GAP,
    STRANGE_EVENT,
    STRANGE_FACT,
    WORDS,
    compact,
    spaced,
)
from tests.harness.environment import POLICIES

KEYS = {
    "crm": "pwk_a-key-for-tests",
    "sender": "pwk_a-key-of-one-who-only-sends",
    "paused": "pwk_a-key-of-one-who-is-paused",
}
"""The key of a publisher with every right, of one with the fewest, and of one that is paused."""

_published: list[OutgoingRecord | Tombstone] = []


class _Producer(AcknowledgedProducer):
    """Stands in for Kafka."""

    async def publish(self, records: Any) -> None:
        """Acknowledge at once."""
        _published.extend(records)


class _Reporter(ReporterClient):
    """Stands in for the reporter."""

    async def status_of(self, source: str, event_id: str) -> bytes | None:
        """Tell the same of every event."""
        return json.dumps(EVENT_STATUS_EXAMPLE).encode()

    async def facts_of(
        self, controller: str, subject: str, *, as_of: datetime, fact: str | None = None
    ) -> bytes:
        """Know of no fact."""
        return json.dumps({"as_of": as_of.isoformat(), "statements": []}).encode()


def application() -> FastAPI:
    """Ingest as it is put together for production, with our policies."""
    digests = {name: sha256(key.encode()).hexdigest() for name, key in KEYS.items()}
    register: dict[str, dict[str, Any]] = {
        "crm": {
            "controllers": ["wework-labs"],
            "states_facts": ["*"],
            "reads_facts": ["*"],
            "erases_subjects": True,
        },
        "sender": {"controllers": ["linggan-house"], "sources": ["/sender/a"], "facts": ["x.y"]},
        "paused": {"controllers": ["wework-labs"], "paused": "it sends test data"},
    }
    for name, details in register.items():
        details["key_sha256"] = [digests[name]]
    with TemporaryDirectory() as directory:
        path = Path(directory) / "publishers.yaml"
        path.write_text(json.dumps({"publishers": register}))
        settings = IngestSettings.model_validate(
            {
                "pseudonym_key": "ab" * 32,
                "publishers_file": path,
                "policies_dir": POLICIES,
                "ingest_public_url": "https://ingest.example.com",
                "ingest_reporter_url": "http://127.0.0.1:1",
            }
        )
        with (
            patch.object(composition, "AcknowledgedProducer", _Producer),
            patch.object(composition, "ReporterClient", _Reporter),
        ):
            app, _ = composition.build_app(settings)
    return app


@contextmanager
def _served() -> Iterator[Run]:
    """Each request is sent as every publisher, and without a key."""
    app = application()
    given = {name: {b"authorization": f"Bearer {key}".encode()} for name, key in KEYS.items()}
    with asyncio.Runner() as runner:

        def run(data: bytes) -> None:
            for name, headers in {**given, "nobody": {}}.items():
                _published.clear()
                request = HttpRequest.parse(data, headers)
                answer = runner.run(send(app, request))
                check_answer(answer)
                # what is in the inputs is about crm's controller
                assert name == "crm" or not _published
                _check_published(answer)

        yield run


def _check_published(answer: Answer) -> None:
    for each in _published:
        codec = _CODECS.get(each.topic.rpartition(".")[2])
        if codec is not None and isinstance(each, OutgoingRecord):
            assert answer.status < 400
            codec.decode(each.value)
            assert_silent(each.value)


_CODECS: dict[str, EventCodec | FactCodec] = {
    "events": ReferenceEventCodec(),
    "facts": ReferenceFactCodec(),
}


def check_answer(answer: Answer) -> None:
    """Check that an answer is no error of ours, and shows nothing of what was sent."""
    assert 200 <= answer.status < 500, answer
    if answer.status >= 400:
        assert answer.header(b"content-type") == b"application/problem+json", answer
        problem = json.loads(answer.body)
        assert problem["status"] == answer.status
        assert problem["type"].startswith("urn:purposewatch:problem:")
        assert_silent(answer.body)


def _post(path: str, content_type: str, content: bytes, *headers: str) -> bytes:
    head = "\n".join([f"POST {path}", f"content-type: {content_type}", *headers])
    return head.encode() + b"\n\n" + content


STRUCTURED = "application/cloudevents+json"
_BATCHED = "application/cloudevents-batch+json"
_BINARY = "application/json"
_ATTRIBUTES = [f"ce-{name}: {value}" for name, value in EVENT.items() if name != "data"]
_ASKED = {name: value for name, value in EVENT["data"].items() if name != "count"}
_EVALUATION = {
    "subject": {"type": "member", "id": EVENT["data"]["subject_id"]},
    "action": {"name": "share"},
    "resource": {"type": "data_category", "id": "user.contact.email"},
    "context": {
        "controller": "wework-labs",
        "purpose": "marketing.advertising",
        "recipient": "third_party.advertising",
    },
}
SEEDS = (
    _post("/v1/events", STRUCTURED, compact(EVENT)),
    _post("/v1/events", STRUCTURED, spaced(STRANGE_EVENT)),
    _post("/v1/events", _BATCHED, compact([EVENT, STRANGE_EVENT, EVENT])),
    _post("/v1/events", _BATCHED, compact([EVENT, STRANGE_EVENT]), "prefer: handling=lenient"),
    _post("/v1/events", _BINARY, compact(EVENT["data"]), *_ATTRIBUTES),
    _post("/v1/facts", STRUCTURED, compact(FACT)),
    _post("/v1/facts", _BATCHED, compact([FACT, STRANGE_FACT])),
    _post("/v1/gaps", _BINARY, compact([GAP])),
    _post("/v1/gaps", _BINARY, compact(GAP)),
    _post("/v1/decisions", STRUCTURED, compact({**EVENT, "data": _ASKED})),
    _post("/v1/decisions", _BINARY, compact(_ASKED), *_ATTRIBUTES),
    _post("/access/v1/evaluation", _BINARY, compact(_EVALUATION)),
    _post(
        "/access/v1/evaluations",
        _BINARY,
        compact({**_EVALUATION, "evaluations": [{"action": {"name": "use"}}, {}]}),
    ),
    _post(
        "/v1/erasures",
        _BINARY,
        compact({"controller": "wework-labs", "subject_id": EVENT["data"]["subject_id"]}),
    ),
    b"GET /v1/events/e-1?source=/crm\n\n",
    b"GET /v1/facts?controller=wework-labs&subject_id=x&as_of=2026-03-02T08:15:00Z\n\n",
    b"GET /v1/vocabulary/wework-labs?query=mail&dimension=purposes\n\n",
    b"GET /.well-known/authzen-configuration\n\n",
    b"GET /openapi.json\n\n",
)
_WORDS = tuple(
    each.encode()
    for each in (
        *("content-encoding: gzip\n", "content-encoding: zstd\n", "content-length: 5\n", "GET "),
        *("authorization: Bearer a.b.c\n", "transfer-encoding: chunked\n", "prefer: x\n", "ce-"),
        *("ce-data: x\n", "ce-id: %ff\n", "traceparent: x\n", "accept: text/html\n", "HEAD "),
        *("/v1/events/", "?source=", "&as_of=", "evaluations", "options", "context", "resource"),
        *("application/json; charset=utf-16", "handling=lenient", "handling=strict", "%2e%2e/"),
    )
)

TARGETS = (
    Target("http-ingest", SEEDS, _served, (*WORDS, *_WORDS), max_bytes=65_536, max_seconds=2),
)
