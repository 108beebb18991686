"""The file in which an operator states what no policy and no event does."""

from pathlib import Path

import pytest

from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.processing_record.details import ControllerDetails, Party
from purposewatch_reporter.processing_record.details_file import MAX_TEXT, load_details

COMPLETE = """
controllers:
  library:
    name: Example Library
    contact: |
      1 Example Street
      privacy@example.org
    representative: {name: Example BV, contact: Amsterdam}
    data_protection_officer: {name: A. Example}
    joint_controllers:
      - {name: Example Estates}
    home: [eu, ch]
    safeguards:
      us: Standard contractual clauses
    security_measures: [Encryption, Backups]
  bare:
"""


def load(directory: Path, text: str) -> dict[str, ControllerDetails]:
    """What a file with this text states."""
    file = directory / "records.yaml"
    file.write_text(text, encoding="utf-8")
    return dict(load_details(file))


def test_everything_can_be_stated(tmp_path: Path) -> None:
    """Names, contacts, locations, safeguards and measures."""
    assert load(tmp_path, COMPLETE) == {
        "library": ControllerDetails(
            controller=Party("Example Library", "1 Example Street\nprivacy@example.org"),
            representative=Party("Example BV", "Amsterdam"),
            data_protection_officer=Party("A. Example"),
            joint_controllers=(Party("Example Estates"),),
            home=("eu", "ch"),
            safeguards={"us": "Standard contractual clauses"},
            security_measures=("Encryption", "Backups"),
        ),
        "bare": ControllerDetails(),
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("controllers:\n  Library: {}", "2: `Library` can't be a controller"),
        ("controllers:\n  library: {contact: here}", "2: a controller lacks `name`"),
        ("controllers:\n  library: {dpo: A}", "2: unknown field `dpo`"),
        (
            "controllers:\n  library:\n    representative: {contact: here}",
            "3: `representative` lacks `name`",
        ),
        ("controllers:\n  library:\n    home: [The EU]", "3: `The EU` can't be a term"),
        ("controllers:\n  library:\n    safeguards: {U S: x}", "3: `U S` is neither a location"),
        ("controllers:\n  library:\n    safeguards: {us: }", "3: `safeguards` lacks `us`"),
        (
            "controllers:\n  library:\n    security_measures: [{a: b}]",
            "3: an item of `security_measures` must be a text",
        ),
        (
            f"controllers:\n  library:\n    name: {'x' * (MAX_TEXT + 1)}",
            f"3: a text has at most {MAX_TEXT} characters",
        ),
        ('controllers:\n  library:\n    name: "a\\u0007b"', "3: a text holds a control character"),
        ("{}", "1: the file lacks `controllers`"),
    ],
)
def test_every_fault_has_its_line(tmp_path: Path, text: str, fault: str) -> None:
    """And says what to do."""
    with pytest.raises(InvalidSourceError) as caught:
        load(tmp_path, text)
    assert fault in str(caught.value)
