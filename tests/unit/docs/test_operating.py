"""The page for on-call describes the services as they are."""

import re
from pathlib import Path

import pytest

from purposewatch_runtime.metrics import DECLARED

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
SOURCES = [
    path.read_text(encoding="utf-8")
    for directory in ("shared", "services")
    for path in (ROOT / directory).rglob("*.py")
]

LINES = [
    (event, level)
    for events, level in re.findall(
        r"^\| (`.+`) \| (info|warning|error|critical) \|", PAGE, re.MULTILINE
    )
    for event in re.findall(r"`([^`]+)`", events)
]


def test_there_are_log_lines_to_search_for() -> None:
    """The table is parsed."""
    assert len(LINES) > 8


@pytest.mark.parametrize(("event", "level"), LINES, ids=[event for event, _ in LINES])
def test_a_log_line_is_written_as_it_is_listed(event: str, level: str) -> None:
    """Some service logs it, with that level."""
    logged = re.compile(rf"_log\.{level}\(\s*\"{re.escape(event)}\"")
    assert any(logged.search(source) for source in SOURCES)


def test_the_page_names_metrics_that_there_are() -> None:
    """Under the names that queries use."""
    exported = {spec.exported_name for spec in DECLARED}
    assert set(re.findall(r"`(purposewatch_[a-z_]+)`", PAGE)) - exported == set()
