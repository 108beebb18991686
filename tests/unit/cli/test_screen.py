"""Where the demonstration's picture goes."""

import io
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console

from purposewatch_cli.demo.account import Account
from purposewatch_cli.demo.screen import Screen


def test_keeps_the_last_picture_of_feeding_as_a_drawing(tmp_path: Path) -> None:
    """It shows the books, fetches nothing, and is not replaced once feeding has ended."""
    kept = tmp_path / "demo.svg"
    out = Console(file=io.StringIO())
    with Screen(out, "embedded broker", 0.0, record=kept) as screen:
        screen.show("feeding", Account(at=0.0))
        drawn = kept.read_text()
        screen.show("settling", Account(at=9.0, accepted=7))

    text = "".join(ET.fromstring(drawn).itertext())  # noqa: S314 - we drew it ourselves
    assert "embedded\N{NO-BREAK SPACE}broker" in text
    assert "verdicts" in text
    assert "url(http" not in drawn
    assert "@font-face" not in drawn
    assert drawn == kept.read_text()
