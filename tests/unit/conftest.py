"""What unit tests share: an environment without a terminal, and a submitted event."""

import copy
import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

SUBJECT_ID = "customer-4711"

_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/crm/newsletter",
    "type": "purposewatch.data_access.v1",
    "time": "2026-03-02T08:15:00Z",
    "data": {
        "controller": "wework-labs",
        "role": "member",
        "operation": "share",
        "purpose": "marketing.advertising",
        "recipient": "third_party.advertising",
        "data_categories": ["user.contact.email"],
        "subject_id": SUBJECT_ID,
    },
}


def pytest_collection_finish() -> None:
    """Keep what the tests import out of the collections of garbage that they cause.

    It stays until the end, and is a million objects that each full collection would visit.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset what the readline library exports to child processes, such as xdist workers."""
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _restored_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the process's logging as it was, whatever a test configures.

    A logger that is used while caching is on keeps its configuration for good.
    """
    configure = structlog.configure

    def without_cache(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", without_cache)
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers, root.level = before[0], before[1]
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """Make a valid event; `data` is merged into its data, `None` removes a field."""

    def make(data: dict[str, Any] | None = None, **attributes: Any) -> dict[str, Any]:
        made = copy.deepcopy(_EVENT)
        made |= attributes
        made["data"] |= data or {}
        made["data"] = {name: value for name, value in made["data"].items() if value is not None}
        return {name: value for name, value in made.items() if value is not None}

    return make
