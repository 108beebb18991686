"""The way into the compliance page, from the reporter's log."""

import json
from pathlib import Path

from purposewatch_demo.account import SignIn, read_sign_in

URL = "http://127.0.0.1:20003"
OTHERS = (
    "Traceback (most recent call last):",
    "[1, 2]",
    json.dumps({"event": "signed in", "level": "info", "username": "ling"}),
)
MADE = json.dumps(
    {"event": "created the first user", "level": "warning", "username": "officer", "password": "k3"}
)


def test_reads_the_first_account_among_other_lines(tmp_path: Path) -> None:
    """Lines that are not JSON, not an object, or about something else are passed over."""
    log = tmp_path / "reporter.log"
    log.write_text("\n".join((*OTHERS, MADE, *OTHERS)), encoding="utf-8")

    assert read_sign_in(URL, log) == SignIn(URL, "officer", "k3")


def test_a_log_without_an_account_gives_no_way_in(tmp_path: Path) -> None:
    """So it is at the log level `error`; a log that is not there says nothing either."""
    log = tmp_path / "reporter.log"
    assert read_sign_in(URL, log) is None

    log.write_text("\n".join(OTHERS), encoding="utf-8")
    assert read_sign_in(URL, log) is None
