"""Where the demonstration's picture goes."""

import io
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console

from purposewatch_demo.account import Account, SignIn
from purposewatch_demo.screen import Screen

SIGN_IN = SignIn("http://127.0.0.1:20003", "officer", "abcde-fghij")


def test_keeps_the_last_picture_of_feeding_as_a_drawing(tmp_path: Path) -> None:
    """It shows the ledger and no password, fetches nothing, and stays once feeding has ended."""
    kept = tmp_path / "demo.svg"
    out = Console(file=io.StringIO())
    with Screen(out, "embedded broker", 0.0, sign_in=SIGN_IN, record=kept) as screen:
        screen.show("feeding", Account(at=0.0))
        drawn = kept.read_text()
        screen.show("settling", Account(at=9.0, accepted=7))

    text = "".join(ET.fromstring(drawn).itertext())  # noqa: S314 - we drew it ourselves
    assert "embedded\N{NO-BREAK SPACE}broker" in text
    assert "verdicts" in text
    assert SIGN_IN.password not in text
    assert "url(http" not in drawn
    assert "@font-face" not in drawn
    assert drawn == kept.read_text()


def test_output_to_a_file_begins_with_the_way_into_the_page() -> None:
    """Address, name and password, once."""
    written = io.StringIO()
    with Screen(Console(file=written), "embedded broker", 0.0, sign_in=SIGN_IN) as screen:
        screen.show("feeding", Account(at=0.0))

    first, second = written.getvalue().splitlines()
    assert first == (
        "compliance page: http://127.0.0.1:20003, sign in as officer with abcde-fghij, "
        "while this runs"
    )
    assert "feeding" in second
