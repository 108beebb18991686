"""What the demonstration prints at its end."""

import io

import pytest
from rich.console import Console

from purposewatch_demo.account import Account
from purposewatch_demo.deliver import Deliveries
from purposewatch_demo.summary import show_summary
from purposewatch_demo.tally import Recorded
from purposewatch_policy import Outcome


@pytest.mark.parametrize(
    ("rate", "line"),
    [
        (500.0, "10 events in 4.0 s (asked for 500/s)"),
        (0.0, "10 events in 4.0 s (without a limit: 2/s)"),
    ],
)
def test_summary_tells_the_rate_asked_for_from_one_that_was_reached(rate: float, line: str) -> None:
    """A rate that was asked for is not what the pipeline can do."""
    deliveries = Deliveries()
    deliveries.tally.add([Recorded(Outcome.PERMITTED)] * 10)
    out = io.StringIO()

    show_summary(Console(file=out, width=200), deliveries, Account(at=0.0), seconds=4.0, rate=rate)

    assert out.getvalue().splitlines()[0] == line
