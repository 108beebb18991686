"""Tasks and messages run with the defaults of the code that sent them."""

import logging
from typing import Any

import pytest
import structlog
from celery import Celery
from celery.worker.request import Request as TaskRequest
from faststream.kafka import KafkaBroker, KafkaMessage, TestKafkaBroker

import purposewatch_client as purposewatch
from purposewatch_client.integrations import celery as celery_integration
from purposewatch_client.integrations.faststream import PurposewatchMiddleware
from purposewatch_client.integrations.logs import TraceFilter, add_trace
from purposewatch_client.integrations.propagation import HEADER, decode, encode

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DEFAULTS = {"purpose": "essential.service.notifications", "actor": "mailer", "traceparent": TRACE}


def test_a_celery_task_runs_with_the_defaults_of_its_sender() -> None:
    """Over a broker in memory, executed as a worker does; the next task has its own defaults."""
    app = Celery("tests", broker="memory://")
    celery_integration.propagate()
    found: list[dict[str, Any]] = []

    @app.task(name="remind")  # type: ignore[untyped-decorator]
    def remind(fail: bool) -> None:  # noqa: FBT001 - a task's argument
        found.append(dict(purposewatch.current_defaults()))
        if fail:
            raise ValueError

    with purposewatch.defaults(**DEFAULTS, subject="m-1"):  # type: ignore[arg-type]
        remind.delay(fail=True)
        remind.delay(fail=False)
    remind.delay(fail=False)
    with app.connection() as connection:
        for _ in range(3):
            message = connection.default_channel.basic_get("celery")
            TaskRequest(message, app=app, decoded=False).execute()
            assert purposewatch.current_defaults() == {}
    assert found == [DEFAULTS, DEFAULTS, {}]


async def test_a_message_of_faststream_is_handled_with_the_defaults_of_its_publisher() -> None:
    """They are in the message: the broker of this test hands it over in the publisher's context."""
    broker = KafkaBroker(middlewares=[PurposewatchMiddleware])
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []

    @broker.subscriber("reminders")
    async def remind(_: str, message: KafkaMessage) -> None:
        found.append((dict(purposewatch.current_defaults()), message.headers))

    async with TestKafkaBroker(broker):
        with purposewatch.defaults(**DEFAULTS):  # type: ignore[arg-type]
            await broker.publish("x", "reminders")
        carried = {HEADER: found[0][1][HEADER]}
        await broker.publish("x", "reminders", headers=carried)
        await broker.publish("x", "reminders")
    assert decode(carried[HEADER]) == DEFAULTS
    assert [defaults for defaults, _ in found[1:]] == [DEFAULTS, {}]


def test_the_header_holds_no_subject() -> None:
    """An identifier of a person does not belong into a message's header."""
    with purposewatch.defaults(**DEFAULTS, subject="customer-4711"):  # type: ignore[arg-type]
        assert "4711" not in encode()
        assert decode(encode()) == DEFAULTS


@pytest.mark.parametrize(
    "header", [None, 7, "", "{", "[]", '{"purpose": 7}', '{"subject": "x"}', '{"role": "a\\nb"}']
)
def test_a_header_that_is_not_ours_carries_nothing(header: object) -> None:
    """Whoever can write a message can write its header."""
    assert decode(header) == {}
    assert HEADER == "purposewatch"


def test_an_invalid_trace_is_not_taken_over() -> None:
    """An event with one would be refused."""
    without_id = "-".join(("00", "0" * 32, "00f067aa0ba902b7", "01"))
    assert decode(f'{{"traceparent": "{TRACE}"}}') == {"traceparent": TRACE}
    assert decode(f'{{"traceparent": "{without_id}"}}') == {}


def test_log_records_have_the_trace_of_the_context() -> None:
    """In the standard library, and in structlog."""
    record = logging.LogRecord("x", logging.INFO, "x", 1, "x", (), None)
    logger = structlog.wrap_logger(None, processors=[add_trace, lambda *event: event[2]])
    assert TraceFilter().filter(record)
    assert (record.trace_id, record.span_id) == ("", "")  # type: ignore[attr-defined]
    with purposewatch.defaults(traceparent=TRACE):
        TraceFilter().filter(record)
        event = add_trace(logger, "info", {"event": "x"})
    assert record.trace_id == event["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"  # type: ignore[attr-defined]
    assert record.span_id == event["span_id"] == "00f067aa0ba902b7"  # type: ignore[attr-defined]
    assert "trace_id" not in add_trace(logger, "info", {"event": "x"})
