"""Logs are one JSON object per line, whoever writes them."""

import json
import logging

import pytest
import structlog

from purposewatch_runtime.logs import configure_logs, get_logger
from purposewatch_runtime.settings import LogSettings


def test_hostile_text_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks and terminal escapes in a value are escaped, not written."""
    configure_logs(LogSettings(log_format="json"), service="auditor")

    get_logger("test").warning("something", name="a\nb\x1b[31m\x00")

    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert json.loads(line)["name"] == "a\nb\x1b[31m\x00"


def test_library_logs_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A standard-library logger yields the same JSON, with the service's name."""
    configure_logs(LogSettings(log_format="json"), service="auditor")

    logging.getLogger("some.library").error("broken %s", "pipe")

    entry = json.loads(capsys.readouterr().err)
    assert (entry["event"], entry["service"], entry["level"]) == ("broken pipe", "auditor", "error")


def test_bound_ids_are_on_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What is bound to the context, such as an event's id, is on the lines within."""
    configure_logs(LogSettings(log_format="json"), service="ingest")

    with structlog.contextvars.bound_contextvars(event_id="e-1"):
        get_logger("test").info("accepted")

    assert json.loads(capsys.readouterr().err)["event_id"] == "e-1"


def test_tracebacks_hold_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is logged with its place, not with the local variables around it."""
    configure_logs(LogSettings(log_format="json"), service="ingest")

    def fail(subject_id: str) -> None:
        raise KeyError

    try:
        fail("customer-4711")
    except KeyError:
        get_logger("test").exception("failed")

    line = capsys.readouterr().err
    assert "KeyError" in line
    assert "customer-4711" not in line.replace('fail("customer-4711")', "")
