"""The fast codecs: each decodes what its reference decodes, and to the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from pydantic import ValidationError

from purposewatch_contract.codec import (
    DecodedSubmission,
    FastEventCodec,
    FastFactCodec,
    FastSubmissionCodec,
    FastVerdictCodec,
    ReferenceEventCodec,
    ReferenceFactCodec,
    ReferenceSubmissionCodec,
    ReferenceVerdictCodec,
    SubmissionCodec,
    fact_key,
    parse_fact_key,
)
from purposewatch_contract.submission import RefusedError
from tests.fuzz.target import Run, Target, assert_silent
from tests.fuzz.targets.samples import (
    EVENT,
    FACT,
    FACT_KEY,
    STRANGE_EVENT,
    WORDS,
    compact,
    example,
    spaced,
)


def _decoded(codec: Any, value: bytes) -> Any:
    """What a codec decodes; `None` if it refuses. No service shows the error as it is."""
    try:
        return codec.decode(value)
    except ValidationError:
        return None


@contextmanager
def _events() -> Iterator[Run]:
    fast, reference = FastEventCodec(), ReferenceEventCodec()

    def run(value: bytes) -> None:
        event, expected = _decoded(fast, value), _decoded(reference, value)
        assert (event is None) == (expected is None)
        if event is not None:
            written = reference.encode(expected)
            assert reference.encode(event) == written
            assert reference.encode(fast.decode(written)) == written
            assert reference.encode(reference.decode(fast.encode(event))) == written

    yield run


@contextmanager
def _facts() -> Iterator[Run]:
    fast, reference = FastFactCodec(), ReferenceFactCodec()

    def run(value: bytes) -> None:
        fact = _decoded(fast, value)
        assert fact == _decoded(reference, value)
        if fact is not None:
            assert reference.decode(fast.encode(fact)) == fact
            assert fast.decode(reference.encode(fact)) == fact
            key = parse_fact_key(fact_key(fact))
            assert (key.subject, key.controller, key.fact) == (
                fact.subject,
                fact.controller,
                fact.fact,
            )

    yield run


@contextmanager
def _fact_keys() -> Iterator[Run]:
    def run(value: bytes) -> None:
        try:
            key = parse_fact_key(value)
        except ValueError:
            return
        assert parse_fact_key(key.encode()) == key

    yield run


@contextmanager
def _verdicts() -> Iterator[Run]:
    fast, reference = FastVerdictCodec(), ReferenceVerdictCodec()

    def run(value: bytes) -> None:
        assert _decoded(fast, value) == _decoded(reference, value)

    yield run


def _submitted(codec: SubmissionCodec, value: bytes) -> DecodedSubmission | tuple[object, ...]:
    """What a codec decodes, or the faults that it names."""
    try:
        submission = codec.decode(value)
    except RefusedError as error:
        assert_silent(str(error))
        return error.error_class, error.errors
    codec.cache_flow(submission)
    return msgspec.structs.replace(submission, flow_key=None)


@contextmanager
def _submissions() -> Iterator[Run]:
    fast, reference = FastSubmissionCodec(), ReferenceSubmissionCodec()

    def run(value: bytes) -> None:
        expected = _submitted(reference, value)
        assert _submitted(fast, value) == expected
        assert _submitted(fast, value) == expected  # now from the cache, if it was accepted

    yield run


_CANONICAL = example("canonical-event")
_VERDICT = example("verdict")
_WITH_FACTS = {
    **_VERDICT,
    "facts": [
        {"fact": "consent.marketing", "claimed": True, "value": False, "source": "/consent"},
        {"fact": "visit.website", "since": "2026-03-01T18:02:10Z", "evidence": "receipt/1"},
    ],
}

TARGETS = (
    Target(
        "codec-events",
        (compact(_CANONICAL), spaced(_CANONICAL)),
        _events,
        WORDS,
    ),
    Target(
        "codec-facts",
        (compact(example("canonical-fact")), spaced(example("canonical-fact"))),
        _facts,
        WORDS,
    ),
    Target(
        "codec-fact-keys",
        (FACT_KEY,),
        _fact_keys,
    ),
    Target(
        "codec-verdicts",
        (compact(_VERDICT), compact(_WITH_FACTS), spaced(_WITH_FACTS)),
        _verdicts,
        WORDS,
    ),
    Target(
        "codec-submissions",
        (compact(EVENT), spaced(EVENT), spaced(STRANGE_EVENT), compact(FACT)),
        _submissions,
        WORDS,
    ),
)
