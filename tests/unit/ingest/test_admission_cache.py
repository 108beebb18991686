"""Flows that are known again: the same answer as from reading in full, or none."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_contract.submission import RefusedError, parse_json, read_event
from purposewatch_ingest.admission import (
    AdmissionCache,
    AdmissionRules,
    AdmittedEvent,
    Pseudonymiser,
    admit,
)
from purposewatch_ingest.publishers import Publisher
from purposewatch_policy.vocabulary import Vocabulary

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


class Gate:
    """Admits texts in full, and remembers what it admitted."""

    def __init__(self, publisher: Publisher, rules: AdmissionRules, now: datetime) -> None:
        self.familiar = AdmissionCache()
        self.publisher = publisher
        self.rules = rules
        self.now = now

    def in_full(self, text: bytes) -> AdmittedEvent | None:
        """What the contract and admission make of it; `None` when they refuse."""
        try:
            event = read_event(parse_json(text))
            made = admit(event, self.publisher, self.rules, now=self.now, origin="http")
        except RefusedError:
            return None
        self.familiar.remember(text, event, self.rules)
        return made

    def by_memory(self, text: bytes) -> AdmittedEvent | None:
        """What is known of it; `None` when it must be read in full."""
        known = self.familiar.admit(
            text, lambda _: self.publisher, self.rules, now=self.now, origin="http"
        )
        return None if known is None else known[1]


@pytest.fixture
def gate(publisher: Publisher, rules: AdmissionRules, now: datetime) -> Gate:
    """A gate that knows nothing yet."""
    return Gate(publisher, rules, now)


def text_of(document: Any, *, spaced: bool = True) -> bytes:
    """As a client writes it down."""
    return json.dumps(document, separators=None if spaced else (",", ":")).encode()


@pytest.mark.parametrize("spaced", [True, False])
def test_a_flow_is_known_again(gate: Gate, event: MakeEvent, spaced: bool) -> None:  # noqa: FBT001
    """With another subject, id, time, source and trace, and as it would be read in full."""
    first = text_of(event(), spaced=spaced)
    assert gate.by_memory(first) is None
    gate.in_full(first)
    document = event({"subject_id": "名前 \U0001f600"}, id="e-2", source="/crm/other")
    document |= {"time": "2026-03-02t09:16:00.5+01:00", "traceparent": TRACE}
    text = json.dumps(
        document, separators=None if spaced else (",", ":"), ensure_ascii=False
    ).encode()
    known = gate.by_memory(text)
    assert known is not None
    assert known == gate.in_full(text)


def test_no_subject_is_remembered(gate: Gate, event: MakeEvent) -> None:
    """Wherever in the event it stands."""
    subject = "customer-by-name"
    gate.in_full(text_of(event({"subject_id": subject})))
    reordered = event()
    del reordered["data"]["subject_id"]
    reordered["data"] = {"subject_id": subject, **reordered["data"]}
    assert gate.in_full(text_of(reordered)) is not None
    memory = gate.familiar._known._known
    assert len(memory) == 2
    assert all(subject.encode() not in text for text in memory)
    assert subject not in repr(list(memory.values()))


def test_only_the_real_subject_is_taken_for_it(gate: Gate, event: MakeEvent) -> None:
    """A fact of that name is none; such an event is read in full each time."""
    document = event()
    subject_id = document["data"].pop("subject_id")
    facts = {"subject_id": True}
    document["data"] |= {"facts": facts, "subject_id": subject_id}
    vocabulary = gate.rules.vocabularies["wework-labs"]
    with_fact = replace(vocabulary, facts=Vocabulary.of(facts=["subject_id"]).facts)
    gate.rules = replace(gate.rules, vocabularies={"wework-labs": with_fact})
    assert gate.in_full(text_of(document)) is not None
    assert gate.by_memory(text_of(document)) is None


def test_what_was_refused_is_not_remembered(gate: Gate, event: MakeEvent) -> None:
    """An unknown term is refused each time, and kept nowhere."""
    text = text_of(event({"role": "alice"}))
    assert gate.in_full(text) is None
    assert gate.by_memory(text) is None
    assert gate.familiar._known._known == {}


def test_a_reloaded_vocabulary_is_asked_anew(
    gate: Gate, event: MakeEvent, vocabulary: Vocabulary
) -> None:
    """A term may be gone from it."""
    text = text_of(event())
    gate.in_full(text)
    without = replace(vocabulary, roles=Vocabulary.of(roles=["mentor"]).roles)
    gate.rules = replace(gate.rules, vocabularies={"wework-labs": without})
    assert gate.by_memory(text) is None
    assert gate.in_full(text) is None


def test_a_flow_of_one_publisher_does_not_open_the_gate_to_another(
    gate: Gate, event: MakeEvent
) -> None:
    """Neither to another's source nor to a controller that is not the publisher's."""
    text = text_of(event())
    gate.in_full(text)
    gate.publisher = Publisher("shop", frozenset({"wework-labs"}))
    assert gate.by_memory(text) is None
    gate.publisher = Publisher("crm", frozenset({"linggan-house"}))
    assert gate.by_memory(text) is None


def test_another_key_gives_another_pseudonym(gate: Gate, event: MakeEvent) -> None:
    """The pseudonym is made anew for each event."""
    text = text_of(event())
    first = gate.in_full(text)
    gate.rules = replace(gate.rules, pseudonymise=Pseudonymiser(b"x" * 32, "2"))
    known = gate.by_memory(text)
    assert known == gate.in_full(text)
    assert known != first


FIELDS = (
    *("specversion", "id", "source", "type", "time", "data", "datacontenttype", "dataschema"),
    *("traceparent", "subject", "name"),
)
DATA_FIELDS = (
    *("controller", "role", "operation", "purpose", "recipient", "data_categories"),
    *("source", "retention_days", "facts", "other", "subject_id"),
)
VALUES: tuple[Any, ...] = (
    *("1.0", "e-9", "/crm", "/crm/x", "/shop", "purposewatch.data_access.v1", TRACE, None),
    *("application/json", "urn:purposewatch:schema:submitted-event:1.0", "member", "user"),
    *(
        "2026-03-02T08:15:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T08:15:00",
        "2026-02-30T08:15:00Z",
    ),
    *("1969-01-01T00:00:00Z", "2126-01-01T00:00:00Z", "2026-03-02T08:15:00.123456789+14:00"),
    *("2026-03-02 08:15:00Z", "wework-labs", "linggan-house", "first_party", "", 0, True, 1.5),
    *(["user"], ["user", "user"], {"consent.marketing": True}, {"subject_id": True}, {}),
    *("e-1\n", "x" * 257, "x" * 256, "\x85", "\x1f", "\\", '"', "名"),
)


def differences(gate: Gate, text: bytes) -> str:
    """What memory says of a text that reading it in full does not."""
    known = gate.by_memory(text)
    fresh = Gate(gate.publisher, gate.rules, gate.now)
    return "" if known is None or known == fresh.in_full(text) else repr(text)


def test_memory_and_reading_in_full_agree_on_every_value_of_every_field(
    gate: Gate, event: MakeEvent
) -> None:
    """Also where the one refuses: then the other never admits."""
    for spaced in (True, False):
        gate.in_full(text_of(event(), spaced=spaced))
    known = 0
    for fields, within in ((FIELDS, ()), (DATA_FIELDS, ("data",))):
        for field, value, spaced, escaped in product(fields, VALUES, (True, False), (True, False)):
            document = event()
            place = document["data"] if within else document
            place[field] = value
            separators = None if spaced else (",", ":")
            text = json.dumps(document, separators=separators, ensure_ascii=escaped).encode()
            assert differences(gate, text) == ""
            known += gate.by_memory(text) is not None
    assert known > 100


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(FIELDS),
    value=st.one_of(st.sampled_from(VALUES), st.text(max_size=5)),
    cut=st.integers(-20, 20),
    insert=st.tuples(st.integers(0, 400), st.sampled_from(list(b'\\" ,:{}[]\n\xff'))),
)
def test_memory_is_not_misled_by_doubled_names_and_broken_texts(
    gate: Gate,
    event: MakeEvent,
    field: str,
    value: Any,
    *,
    cut: int,
    insert: tuple[int, int],
) -> None:
    """A name that stands there twice, a text that was cut off, or has a byte too many."""
    gate.in_full(text_of(event()))
    text = text_of(event())
    doubled = b'{"%b": %b, %b' % (field.encode(), json.dumps(value).encode(), text[1:])
    at, byte = insert
    for changed in (doubled, text[cut:], text[:cut], text[:at] + bytes([byte]) + text[at:]):
        assert differences(gate, changed) == ""
