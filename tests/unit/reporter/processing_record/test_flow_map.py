"""The map of what was observed."""

import re
from xml.etree import ElementTree as ET

import pytest

from purposewatch_policy import CompiledPolicy, Vocabulary
from purposewatch_policy.flow_map import draw
from purposewatch_reporter.flows.flow import FlowOutline, Sum
from purposewatch_reporter.processing_record.flow_map import (
    MAX_PATHS,
    MAX_PURPOSES,
    MAX_RECIPIENTS,
    MAX_ROLES,
    RecordMap,
    record_map,
)
from purposewatch_reporter.processing_record.record import StrandKey
from purposewatch_reporter.processing_record.words import RecordWords
from tests.unit.policy.library import VOCABULARY, policy
from tests.unit.reporter.processing_record.flow_counts import (
    COUNTS,
    LIBRARY,
    collected,
    count,
)


def mapped(
    *counts: FlowOutline[Sum], compiled: CompiledPolicy | None = LIBRARY, language: str = "en"
) -> RecordMap:
    """The map of these counts."""
    vocabulary = compiled.vocabulary if compiled else None
    record = collected(*counts, compiled=compiled)
    return record_map(record, RecordWords(language, vocabulary), heading="Library")


def test_paths_are_whose_data_go_for_what_to_whom() -> None:
    """The most frequent first, with what was permitted and what was not."""
    shown = mapped(*COUNTS)
    assert [
        (each.role, each.purpose, each.recipient, each.permitted, each.against)
        for each in shown.paths
    ] == [
        ("reader", "service", "first_party", 14, 0),
        ("reader", "a.purpose.unknown.to.the.vocabulary", "first_party", 0, 7),
        ("reader", "research", "first_party", 0, 6),
        ("reader", "service.loans", "third_party.courier", 5, 0),
        ("reader", "service.loans", "first_party", 3, 0),
        ("reader", "service", "third_party", 0, 2),
        ("donor", "research", "first_party", 0, 1),
    ]
    assert shown.paths[0].exact == StrandKey("reader", "service", "first_party")
    assert shown.rest == ""


def test_permitted_and_not_permitted_are_strands_of_their_own() -> None:
    """They differ in colour and in form; each is as wide as it is frequent."""
    shown = mapped(count(100), count(25, "violation", "prohibited"), count(1, "unknown"))
    assert [(each.is_dashed, each.is_alarming) for each in shown.drawn.strands] == [
        (False, False),
        (True, True),
    ]
    permitted, against = shown.drawn.strands
    assert permitted.width > 1.5 * against.width
    assert against.title == "reader → service → first_party: 26 not permitted"


def test_recipients_inside_come_first() -> None:
    """So that what leaves the controller stands apart."""
    drawn = mapped(*COUNTS).drawn
    assert [each.label for each in drawn.recipients] == [
        "first_party",
        "third_party",
        "third_party.courier",
    ]
    assert drawn.inside == 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_picture_is_sound(language: str) -> None:
    """Well-formed, in either language, and with no word that is read as markup."""
    text = draw(mapped(*COUNTS, language=language).drawn, is_styled=False)
    assert len(re.findall("<g class=", text)) == len(
        ET.fromstring(text).findall("{http://www.w3.org/2000/svg}g")  # noqa: S314 - our own
    )


def test_nothing_seen_draws_nothing() -> None:
    """And is no error."""
    shown = mapped()
    assert shown.paths == []
    assert "<svg" in draw(shown.drawn)


def many() -> tuple[CompiledPolicy, list[FlowOutline[Sum]]]:
    """A vocabulary with hundreds of terms, and a flow for every third pair of them."""
    purposes = [f"area{area}.topic{topic}" for area in range(10) for topic in range(20)]
    recipients = [f"third_party.company{number}" for number in range(40)]
    vocabulary = Vocabulary.of(
        **{name: list(terms) for name, terms in VOCABULARY.taxonomies().items()}
        | {
            "roles": [f"role{number}" for number in range(12)] + list(VOCABULARY.roles),
            "purposes": [f"area{area}" for area in range(10)]
            + purposes
            + list(VOCABULARY.purposes),
            "recipients": [*VOCABULARY.recipients, *recipients],
        }
    )
    counts = [
        count(1 + number, role=f"role{number % 12}", purpose=purpose, recipient=recipient)
        for number, (purpose, recipient) in enumerate(
            (purpose, recipient) for purpose in purposes for recipient in recipients[::3]
        )
    ]
    return CompiledPolicy(policy(), vocabulary), counts


def test_a_map_of_thousands_of_flows_is_readable_and_says_what_it_leaves_out() -> None:
    """Purposes are grouped by what lies above them; what is beyond shares a box."""
    compiled, counts = many()
    shown = mapped(*counts, compiled=compiled)
    drawn = shown.drawn
    assert len(counts) > 2_500
    assert len(drawn.whose) <= MAX_ROLES + 1
    assert {each.label for each in drawn.purposes} <= {f"area{area}" for area in range(10)}
    assert len(drawn.purposes) <= MAX_PURPOSES + 1
    assert len(drawn.recipients) <= MAX_RECIPIENTS + 1
    assert len(shown.paths) == MAX_PATHS
    assert "4 others" in [each.label for each in drawn.whose]
    left_out = int(re.sub(r"\D", "", shown.rest.partition("with")[2]))
    assert sum(each.tally.events for each in shown.paths) + left_out == sum(
        part.events for each in counts for part in each.amounts
    )
    assert all(each.exact is None for each in shown.paths)


def test_without_a_vocabulary_terms_stand_for_themselves() -> None:
    """A controller whose policy is gone has a map as well."""
    shown = mapped(*COUNTS, compiled=None)
    assert shown.paths[0].purpose == "service"
