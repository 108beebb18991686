"""Somebody's own events as traffic."""

from pathlib import Path

import pytest

from purposewatch_contract import EXAMPLE_DIR, SubmittedEvent
from purposewatch_demo.recording import Recording, UnusableRecordingError
from purposewatch_demo.tally import Unforeseen


@pytest.fixture
def file(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """The example events of members and users, with two lines that are none."""
    examples = pytestconfig.rootpath / "docs" / "examples"
    canonical = (EXAMPLE_DIR / "canonical-event.json").read_text().replace("\n", "")
    parts = [(examples / f"{role}.jsonl").read_text() for role in ("member", "user")]
    path = tmp_path / "events.jsonl"
    path.write_text("".join([*parts, "nope\n", canonical]))
    return path


def test_publishers_and_their_controllers_are_found(file: Path) -> None:
    """Ingest must know them before the first event."""
    found = Recording(file).controllers

    assert found["membership"] == frozenset({"wework-labs"})
    assert found["collections"] == frozenset({"linggan-house"})


def test_every_event_is_sent_in_order(file: Path) -> None:
    """In batches of one publisher each, no larger than asked."""
    recording = Recording(file)
    sent = list(recording.batches(largest=2))

    items = [item for each in sent for item in each.items]
    events = [SubmittedEvent.model_validate_json(item.body) for item in items]
    assert [event.id for event in events[:2]] == ["example-member-1", "example-member-2"]
    assert len(events) == 15
    assert {item.expected for item in items} == {Unforeseen()}
    assert max(len(each.items) for each in sent) == 2
    for each in sent:
        for item in each.items:
            event = SubmittedEvent.model_validate_json(item.body)
            assert event.source.startswith(f"/{each.publisher}/")


def test_lines_that_hold_no_submitted_event_are_counted(file: Path) -> None:
    """Canonical events are ingest's own and can't be sent to it."""
    assert Recording(file).faulty == 2


@pytest.mark.parametrize(("text", "complaint"), [(None, "can't read"), ("{}\n", "holds no")])
def test_a_file_without_events_is_refused(tmp_path: Path, text: str | None, complaint: str) -> None:
    """The message says what to do."""
    path = tmp_path / "events.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UnusableRecordingError, match=complaint):
        Recording(path)
