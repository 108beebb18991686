"""Pytest plugin: captures the events of each test, and decides them with `--purposewatch-policy`.

Pytest loads this module in every run of every environment that has the client. So it is not part of
the client's package, and imports nothing that takes time before it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from purposewatch_client.testing.capture import Captured
    from purposewatch_client.testing.session import Session

__all__ = ["captured", "pytest_addoption", "pytest_configure"]

_MARKER = (
    "purposewatch_allow(kind, *, reason): let the test cause violations of this kind, such as "
    "`undeclared_purpose`, or `unknown` flows; the report lists them with the reason"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("purposewatch", "flows of personal data")
    policy = "decide every event with the declared policies of this directory, and fail violations"
    group.addoption("--purposewatch-policy", metavar="DIR", default=None, help=policy)
    facts = "take the facts that a ledger answers for from the statements in this file"
    group.addoption("--purposewatch-facts", metavar="FILE", default=None, help=facts)
    group.addoption(
        "--purposewatch-report",
        metavar="FILE",
        default=None,
        help="write the flows that the tests exercised to this file, as JSON",
    )
    group.addoption(
        "--purposewatch-strict",
        action="store_true",
        help="ignore `purposewatch_allow`: fail what it allows",
    )
    parser.addini("purposewatch_policy", policy, type="paths", default=[])
    parser.addini("purposewatch_facts", facts, type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Set up deciding, if a policy is named."""
    config.addinivalue_line("markers", _MARKER)
    named = _path(config, "policy")
    if named is None:
        for option in ("--purposewatch-report", "--purposewatch-facts"):
            if config.getoption(option):
                message = f"{option} needs --purposewatch-policy"
                raise pytest.UsageError(message)
        return
    try:
        from purposewatch_client.testing.session import Session  # noqa: PLC0415 - see the module
    except ModuleNotFoundError as error:
        install = "pip install 'purposewatch-client[pytest]'"
        message = f"--purposewatch-policy needs `{install}`: {error}"
        raise pytest.UsageError(message) from None
    session = Session(config, named, _path(config, "facts"))
    config.stash[_session] = session
    config.pluginmanager.register(session, "purposewatch-session")


def _path(config: pytest.Config, name: str) -> Path | None:
    """Return the path that an option names, or else the configuration file."""
    named = config.getoption(f"--purposewatch-{name}") or next(
        map(str, config.getini(f"purposewatch_{name}")), None
    )
    return None if named is None else Path(named)


_session: pytest.StashKey[Session] = pytest.StashKey()


@pytest.fixture
def captured(request: pytest.FixtureRequest) -> Iterator[Captured]:
    """Capture the events that the test records: no network, no spool.

    `captured.events` are the events as ingest would get them.
    """
    session = request.config.stash.get(_session, None)
    if session is not None:
        yield session.captured
        return
    from purposewatch_client.testing.capture import capture  # noqa: PLC0415 - see the module

    with capture(request.config.rootpath) as events:
        yield events
