"""The gate's notation is the one that is read fast behind it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_contract import CanonicalEvent, SubmittedData, SubmittedEvent
from purposewatch_contract.codec import EventReader
from purposewatch_ingest.admission.canonical import write_canonical

_ACCEPTED = datetime(2026, 3, 2, 8, 15, 1, tzinfo=UTC)
_FLOW = {
    "controller": "wework-labs",
    "role": "member",
    "operation": "share",
    "purpose": "marketing.advertising",
    "recipient": "third_party.advertising",
    "data_categories": ["user.name", "user.contact.email"],
}
_FULL = {
    **_FLOW,
    "source": "employer",
    "location": "eu",
    "retention_days": 365,
    "legal_basis": "consent",
    "facts": {"loan.overdue": False, "consent.marketing": True},
}


@pytest.mark.parametrize("flow", [_FLOW, _FULL], ids=["short", "full"])
@pytest.mark.parametrize("origin", ["http", "data-access.raw/3/17"])
@pytest.mark.parametrize("traced", [False, True])
@given(time=st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_canonical_events_are_read_without_the_model(
    flow: dict[str, object], origin: str, time: datetime, *, traced: bool
) -> None:
    """Otherwise each would cost several times as much behind the gate."""
    event = SubmittedEvent(
        specversion="1.0",
        id="e-1",
        source="/crm/newsletter",
        type="purposewatch.data_access.v1",
        time=time,
        data=SubmittedData.model_validate({**flow, "subject_id": "s-1"}),
    )
    admitted = write_canonical(
        event,
        publisher="crm",
        subject="psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350",
        accepted=_ACCEPTED,
        origin=origin,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" if traced else None,
    )

    read = EventReader()._read(admitted.value)

    model = CanonicalEvent.model_validate_json(admitted.value)
    assert (read.id, read.time, read.origin) == (model.id, model.time, model.origin)
    assert read.flow.terms.data_categories == model.data.data_categories
