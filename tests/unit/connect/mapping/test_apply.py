"""What observations become under a mapping."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purposewatch_connect.mapping import (
    MAX_SUBJECTS,
    Action,
    GapKind,
    Mapper,
    Mapping,
    Observation,
    Terms,
    load_mapping,
)
from purposewatch_contract.submission import read_event
from purposewatch_policy.vocabulary import Vocabulary, load_vocabularies
from tests.unit.connect.mapping.conftest import observed

ROOT = Path(__file__).parents[4]
EXAMPLE = load_mapping(ROOT / "connectors" / "examples" / "mapping.yaml")
VOCABULARIES = load_vocabularies(ROOT / "policies")
MAPPER = Mapper(EXAMPLE, VOCABULARIES)

Loader = Callable[[str], Mapping]


def gaps_of(observation: Observation, mapper: Mapper = MAPPER) -> list[tuple[str, str]]:
    return [(gap.kind, gap.name) for gap in mapper.apply(observation).gaps]


def test_statement_about_one_person_becomes_one_access() -> None:
    """The dataset says role and categories, the service the purpose, the defaults the rest."""
    outcome = MAPPER.apply(observed())

    (access,) = outcome.accesses
    assert outcome.gaps == ()
    assert (access.controller, access.role) == ("wework-labs", "member_employee")
    assert (access.operation, access.purpose) == ("use", "essential.service.provision")
    assert (access.recipient, access.data_categories) == ("first_party", ("user.contact.email",))
    assert (access.service, access.subject_id) == ("portal", "m-7")
    assert "m-7" not in repr(access)


def test_ids_depend_on_the_input_alone() -> None:
    """The same record gives the same ids, another one gives others."""
    first, again = MAPPER.apply(observed()), MAPPER.apply(observed())
    other = MAPPER.apply(observed(identity="log/2"))

    assert first == again
    assert first.accesses[0].id != other.accesses[0].id


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        (Action.READ, "use"),
        (Action.WRITE, "store"),
        (Action.DELETE, "erase"),
        (Action.SEND, "share"),
    ],
)
def test_each_action_has_its_operation(action: Action, operation: str) -> None:
    """Unless the mapping gives another."""
    assert operation == MAPPER.apply(observed(action=action)).accesses[0].operation


def test_the_more_specific_rule_counts(mapping_of: Loader) -> None:
    """The input itself, attributes, the host, the dataset, the service, the defaults."""
    mapping = mapping_of(
        """
        publisher: query-log
        defaults: {controller: a, role: r_default, purpose: p_default, subject: {group: all}}
        services:
          portal: {role: r_service, purpose: p_service, location: l_service}
        datasets:
          "*": {role: r_dataset, location: l_dataset, categories: [user]}
        attributes:
          job:
            "export-*": {location: l_attribute, operations: {read: share}}
        """
    )
    attributes = {"job": "export-7"}

    plain = Mapper(mapping).apply(observed()).accesses[0]
    by_attribute = Mapper(mapping).apply(observed(attributes=attributes)).accesses[0]
    stated = Mapper(mapping).apply(observed(terms=Terms(purpose="own"))).accesses[0]

    assert (plain.role, plain.purpose, plain.location) == ("r_dataset", "p_service", "l_dataset")
    assert (by_attribute.location, by_attribute.operation) == ("l_attribute", "share")
    assert stated.purpose == "own"


def test_the_first_known_service_name_counts() -> None:
    """A name that the mapping does not have is passed over, and the last one names the gap."""
    (access,) = MAPPER.apply(observed(services=("psql", "billing-1"))).accesses
    assert (access.service, access.purpose) == (
        "billing-1",
        "essential.service.payment_processing",
    )
    assert gaps_of(observed(services=("psql", "intruder"))) == [
        (GapKind.UNMAPPED_SERVICE, "intruder")
    ]


@pytest.mark.parametrize(
    ("changes", "gap"),
    [
        ({"dataset": "portal.public.salaries"}, ("unmapped_dataset", "portal.public.salaries")),
        ({"dataset": "x/ann@b.c", "label": "x"}, ("unmapped_dataset", "x")),
        ({"dataset": None, "host": "evil.example"}, ("unmapped_host", "evil.example")),
        ({"columns": ("salary",)}, ("unmapped_column", "portal.public.members.salary")),
        ({"services": ("cron",)}, ("unmapped_service", "cron")),
        ({"terms": Terms(purpose="nonsense")}, ("unknown_purpose", "nonsense")),
        ({"terms": Terms(purpose="Ann Lee")}, ("unknown_purpose", "(not_a_term)")),
        ({"terms": Terms(controller="nobody")}, ("unknown_controller", "nobody")),
        ({"categories": ("user.nonsense",)}, ("unknown_term", "user.nonsense")),
        (
            {"dataset": "portal.public.invoices", "subjects": {}},
            ("unresolved_subject", "portal.public.invoices"),
        ),
        (
            {"dataset": "portal.public.invoices", "subjects": {"member_id": ("a\nb",)}},
            ("unresolved_subject", "portal.public.invoices"),
        ),
    ],
)
def test_what_cannot_be_mapped_is_a_gap(changes: dict[str, Any], gap: tuple[str, str]) -> None:
    """It is named after what is unknown, never after a value, and nothing is published."""
    outcome = MAPPER.apply(observed(**changes))

    assert [(each.kind, each.name) for each in outcome.gaps] == [gap]
    assert outcome.accesses == ()


def test_unmapped_column_does_not_hide_the_mapped_ones() -> None:
    """What is known of a statement is published, and what is not is a gap."""
    outcome = MAPPER.apply(observed(columns=("email", "salary")))

    assert [access.data_categories for access in outcome.accesses] == [("user.contact.email",)]
    assert [gap.name for gap in outcome.gaps] == ["portal.public.members.salary"]


def test_columns_without_personal_data_are_no_access() -> None:
    """Nor is a count of rows, or a dataset that holds none."""
    for changes in (
        {"columns": ("created_at",)},
        {"columns": ()},
        {"dataset": "portal.public.alembic_version", "columns": None},
        {"dataset": None, "host": "mail.internal"},
    ):
        outcome = MAPPER.apply(observed(**changes))
        assert (outcome.accesses, outcome.gaps) == ((), ())


def test_unknown_columns_may_be_any() -> None:
    """A statement of which nobody knows the columns concerns everything that the dataset holds."""
    (access,) = MAPPER.apply(observed(columns=None)).accesses

    assert access.data_categories == (
        "user.unique_id",
        "user.name",
        "user.contact.email",
        "user.contact.phone_number",
    )


def test_categories_of_a_dataset_are_those_of_its_other_columns() -> None:
    """With `columns` beside it, `categories` counts for what is not named there."""
    (access,) = MAPPER.apply(
        observed(
            dataset="portal.public.visits",
            columns=("id", "arrived", "visitor_id"),
            subjects={"visitor_id": ("v-1",)},
        )
    ).accesses

    assert access.data_categories == ("user.office.visits", "user.unique_id")
    assert access.role == "visitor"


def test_each_subject_has_its_own_access() -> None:
    """Up to a bound; beyond it the access concerns the group."""
    several = MAPPER.apply(observed(subjects={"member_id": ("m-1", "m-2", "m-1")}))
    many = tuple(f"m-{number}" for number in range(MAX_SUBJECTS + 1))
    bulk = MAPPER.apply(observed(subjects={"member_id": many}))

    assert [access.subject_id for access in several.accesses] == ["m-1", "m-2"]
    assert len({access.id for access in several.accesses}) == 2
    assert [access.subject_id for access in bulk.accesses] == ["every-member"]


def test_subject_comes_from_an_attribute() -> None:
    """Of a message or a call, which have no columns."""
    called = observed(
        dataset=None,
        host="API.mail-provider.example",
        action=Action.SEND,
        attributes={"app.member.id": "m-3"},
    )
    (access,) = MAPPER.apply(called).accesses

    assert access.subject_id == "m-3"
    assert (access.operation, access.recipient) == ("share", "processor.messaging")


def test_access_that_the_input_states_needs_no_dataset() -> None:
    """Its own terms, categories and subject are enough."""
    mapping = Mapping("otlp")
    stated = observed(
        dataset=None,
        services=(),
        terms=Terms(controller="a", role="r", purpose="p"),
        categories=("user.name", "user.name"),
        subject_id="m-9",
    )
    (access,) = Mapper(mapping).apply(stated).accesses

    assert (access.subject_id, access.data_categories) == ("m-9", ("user.name",))


def test_many_categories_become_several_events() -> None:
    """An event names at most 64."""
    categories = tuple(f"user.c{number}" for number in range(130))
    stated = observed(categories=categories, subject_id="m")
    accesses = Mapper(EXAMPLE).apply(stated).accesses

    assert [len(access.data_categories) for access in accesses] == [64, 64, 2]
    assert len({access.id for access in accesses}) == 3


NAMES = st.sampled_from(["portal.public.members", "portal.public.invoices", "x", "s3://b/ü@k"])
COLUMNS = st.none() | st.lists(
    st.sampled_from(["email", "salary", "created_at", "ö x"]), unique=True
).map(tuple)


@given(
    st.builds(
        observed,
        dataset=st.none() | NAMES,
        host=st.none() | st.sampled_from(["a.internal", "api.mail-provider.example", "evil e"]),
        columns=COLUMNS,
        services=st.lists(st.sampled_from(["portal", "cron", "campaigns"])).map(tuple),
        subjects=st.dictionaries(st.just("member_id"), st.lists(st.text(max_size=3)).map(tuple)),
        terms=st.sampled_from([None, "essential", "nonsense", "Ann Lee"]).map(
            lambda purpose: Terms(purpose=purpose)
        ),
        action=st.sampled_from(Action),
    )
)
@settings(max_examples=60)
def test_nothing_is_dropped_and_nothing_invalid_is_published(observation: Observation) -> None:
    """An access or a gap comes of everything but what holds no personal data; both are valid."""
    outcome = MAPPER.apply(observation)

    columns, dataset = observation.columns, observation.dataset
    innocent = columns is not None and set(columns) <= {"created_at"}
    if not (innocent or (dataset is None and observation.host == "a.internal")):
        assert outcome.accesses or outcome.gaps
    for gap in outcome.gaps:
        assert gap.name.isascii()
        assert "@" not in gap.name
        assert "Ann" not in gap.name
    for access in outcome.accesses:
        read_event(
            {
                "specversion": "1.0",
                "id": access.id,
                "source": f"/{EXAMPLE.publisher}/{access.service}",
                "type": "purposewatch.data_access.v1",
                "time": access.time.isoformat(),
                "data": {
                    "controller": access.controller,
                    "role": access.role,
                    "operation": access.operation,
                    "purpose": access.purpose,
                    "recipient": access.recipient,
                    "data_categories": list(access.data_categories),
                    "subject_id": access.subject_id,
                },
            }
        )
        terms = VOCABULARIES[access.controller]
        assert isinstance(terms, Vocabulary)
        assert access.purpose in terms.purposes
