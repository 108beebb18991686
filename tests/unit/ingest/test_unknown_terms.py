"""Terms that were refused: counted as gaps, named only when they can't be about one person."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest

from purposewatch_contract import Gap, GapKind
from purposewatch_ingest import unknown_terms as module
from purposewatch_ingest.admission import Admission, RefusedEvent
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.rights import AdmissionRules
from purposewatch_ingest.unknown_terms import UnknownTermReporter, UnknownTerms
from purposewatch_policy.vocabulary import UnknownTerm, Vocabulary
from tests.unit.ingest.conftest import FakeProducer

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
VOCABULARY = Vocabulary.of(purposes=["marketing", "marketing.mail"], recipients=["third_party"])

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]


def refuse(terms: UnknownTerms, term: str, subject: str, *, publisher: str = "crm") -> None:
    """Refuse an event about that subject, for its purpose."""
    unknown = [UnknownTerm("purpose", "purpose", term)]
    terms.collect(
        unknown,
        VOCABULARY,
        publisher=publisher,
        controller="acme",
        subject_id=subject,
        now=NOW,
    )


def counted(terms: UnknownTerms) -> dict[str, int]:
    """The counts by name, which are then taken."""
    return {gap.name: gap.count for gap in terms.take(NOW)}


def test_a_term_is_named_once_several_subjects_had_it() -> None:
    """What was refused for fewer of them may be somebody's name, however often it comes."""
    terms = UnknownTerms(3)
    for subject in ("a", "b", "a", "b", "a"):
        refuse(terms, "marketing.letters", subject)
    refuse(terms, "anna_meier", "a")
    assert counted(terms) == {"purpose:marketing.(unnamed)": 5, "purpose:(unnamed)": 1}
    refuse(terms, "marketing.letters", "c")
    refuse(terms, "marketing.letters", "a")
    assert counted(terms) == {"purpose:marketing.letters": 2}
    assert counted(terms) == {}


@pytest.mark.parametrize("term", ["c49301234567", "marketing.m1234", "a" * 65])
def test_numbers_and_texts_are_never_named(term: str) -> None:
    """Whoever has them."""
    terms = UnknownTerms(2)
    for number in range(5):
        refuse(terms, term, str(number))
    assert all(name.endswith("(unnamed)") for name in counted(terms))


def test_nothing_is_named_with_zero() -> None:
    """The counts remain."""
    terms = UnknownTerms(0)
    for number in range(50):
        refuse(terms, "letters", str(number))
    assert counted(terms) == {"purpose:(unnamed)": 50}


def test_a_million_names_take_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A term that keeps coming is named all the same, and other publishers are not affected."""
    monkeypatch.setattr(module, "MOST_WATCHED", 50)
    monkeypatch.setattr(module, "MOST_NAMED", 2)
    terms = UnknownTerms(3)
    refuse(terms, "letters", "a", publisher="shop")
    for number in range(2_000):
        refuse(terms, f"x{number % 999}x{number // 999}", str(number))
        if number % 10 == 0:
            refuse(terms, "letters", str(number))
    assert sum(map(len, terms._seen["crm"].values())) <= 3 * 50
    assert len(terms._named["crm"]) <= 2
    for subject in ("b", "c"):
        refuse(terms, "letters", subject, publisher="shop")
    taken = terms.take(NOW)
    assert {gap.name for gap in taken} == {"purpose:(unnamed)", "purpose:letters"}
    assert sum(gap.count for gap in taken if gap.publisher == "crm") == 2_200
    assert [gap.count for gap in taken if gap.publisher == "shop" and "(" not in gap.name] == [1]


def test_refused_events_are_counted_and_nothing_else(
    publisher: Publisher, rules: AdmissionRules, now: datetime, event: MakeEvent
) -> None:
    """Not questions about events, not other faults. The gap holds no value and no subject."""
    terms = UnknownTerms(1)
    admission = Admission(terms)
    batch = admission.batch(rules, now)

    def admit(**data: Any) -> object:
        document = json.dumps(event(data)).encode()
        return batch.admit(document, origin="http", publisher=publisher)

    assert isinstance(admit(purpose="marketing.letters"), RefusedEvent)
    assert isinstance(admit(purpose="Anna Meier"), RefusedEvent)
    batch.check(json.dumps(event({"purpose": "asked"})).encode(), publisher)
    [gap] = terms.take(now)
    assert (gap.kind, gap.name, gap.count, gap.publisher) == (
        GapKind.UNKNOWN_TERM,
        "purpose:marketing.letters",
        1,
        publisher.name,
    )


async def test_what_kafka_did_not_take_is_sent_again_with_its_ids() -> None:
    """So that it is counted once; what was refused meanwhile follows."""
    terms, producer = UnknownTerms(1), FakeProducer()
    reporter = UnknownTermReporter(terms, producer, "data-access.gaps", lambda: NOW)
    refuse(terms, "letters", "a")
    producer.error = OSError("away")
    with pytest.raises(OSError, match="away"):
        await reporter.flush()
    first = reporter._unsent[0].id
    refuse(terms, "calls", "a")
    producer.error = None
    await reporter.flush()
    await reporter.flush()
    sent = [Gap.model_validate_json(each.value) for each in producer.records]
    assert [gap.name for gap in sent] == ["purpose:letters", "purpose:calls"]
    assert sent[0].id == first
    assert {(each.topic, each.key) for each in producer.records} == {("data-access.gaps", b"crm")}


async def test_the_last_counts_are_sent_when_the_process_stops() -> None:
    """Whether or not it was time."""
    terms, producer = UnknownTerms(1), FakeProducer()
    reporter = UnknownTermReporter(terms, producer, "data-access.gaps", lambda: NOW)
    await reporter.start()
    refuse(terms, "letters", "a")
    await reporter.stop()
    assert len(producer.records) == 1
