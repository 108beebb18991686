"""The live picture."""

import io
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from purposewatch_demo.account import (
    Account,
    FoundViolation,
    PartitionLedgerReport,
    ServiceState,
    SignIn,
)
from purposewatch_demo.view import Rates, Scene, picture, plain_line

VIOLATION = FoundViolation(
    time="12:00:01",
    publisher="marketing",
    role="member",
    recipient="third_party.advertising",
    kind="undeclared_third_party_sharing",
    clause="members.1",
    sentence="no statement lets this go there; " * 20,
)
ACCOUNT = Account(
    at=10.0,
    accepted=1_300,
    audited=1_290,
    latency=(0.025, 0.1),
    ledger=tuple(
        PartitionLedgerReport(number, 217, 215, 0, 0, 2, 1, 0, reconciled=False)
        for number in range(6)
    ),
    outcomes=Counter({"permitted": 1_200, "violation": 90}),
    kinds=Counter({"undeclared_third_party_sharing": 60, "prohibited": 30}),
    dead_lettered=Counter({"not_json": 3}),
    violations=(VIOLATION,) * 20,
    services=(
        ServiceState("ingest", "http://127.0.0.1:20001", answers=True, restarts=0),
        ServiceState("auditor", "http://127.0.0.1:20002", answers=False, restarts=2),
        ServiceState("reporter", "http://127.0.0.1:20003", answers=True, restarts=0),
    ),
)

SIGN_IN = SignIn("http://127.0.0.1:20003", "officer", "abcde-fghij-kmnpq-rstuv-wxyz2")


def render(account: Account, width: int, height: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    scene = Scene("embedded broker", "feeding", 65.0, Rates(), SIGN_IN)
    console.print(picture(scene, account, console))
    return out.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 42), (200, 60), (40, 10)])
def test_the_picture_fits_the_terminal(width: int, height: int) -> None:
    """It is as high as the screen, and never wider."""
    lines = render(ACCOUNT, width, height)

    assert len(lines) == height
    assert max(len(line) for line in lines) <= width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 42)])
def test_the_picture_shows_what_matters(width: int, height: int) -> None:
    """Ledger, verdicts, a violation with role, recipient and reason, restarts, links, sign-in."""
    text = "\n".join(render(ACCOUNT, width, height))

    for expected in (
        "1,302",
        "1,290",
        "1,200",
        "restarts: 2",
        "01:05",
        "member to third_party.advertising",
        "no statement lets this go there",
        "http://127.0.0.1:20003/api/v1/violations",
        "page  http://127.0.0.1:20003  sign in: officer abcde-fghij-kmnpq-rstuv-wxyz2",
        "down",
    ):
        assert expected in text


def test_an_empty_account_is_no_problem() -> None:
    """The first picture comes before the first answer."""
    assert any("none yet" in line for line in render(Account(at=0.0), 120, 42))


def test_nothing_in_the_picture_can_drive_the_terminal() -> None:
    """Even if a service reported nonsense."""
    evil = replace(VIOLATION, sentence="\x1b[2J", role="\x07", publisher="\u202e")

    text = "\n".join(render(replace(ACCOUNT, violations=(evil,)), 120, 42))

    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "\u202e" not in text


def test_rates_are_of_the_last_seconds() -> None:
    """Two looks a second apart give the events in between."""
    rates = Rates()
    for second in range(20):
        rates.add(replace(ACCOUNT, at=float(second), accepted=second * 100, audited=second * 50))

    assert (rates.accepted, rates.audited) == (100.0, 50.0)


def test_a_restarted_counter_gives_no_negative_rate() -> None:
    """Counters start again with their process."""
    rates = Rates()
    rates.add(replace(ACCOUNT, at=0.0, audited=1_000))
    rates.add(replace(ACCOUNT, at=1.0, audited=1_500))
    rates.add(replace(ACCOUNT, at=2.0, audited=10))
    rates.add(replace(ACCOUNT, at=3.0, audited=110))

    assert rates.audited == 100.0


def test_the_plain_line_says_the_same() -> None:
    """For logs of a build."""
    line = plain_line(Scene("embedded broker", "feeding", 65.0, Rates()), ACCOUNT)

    assert "1,302 events" in line
    assert "90 violations" in line
    assert "restarts: 2" in line
