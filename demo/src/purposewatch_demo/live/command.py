"""The command `purposewatch traffic`."""

import asyncio
import os
import secrets
from typing import Annotated, NoReturn

import typer
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from rich.text import Text

from purposewatch_cli.policy.loading import UNUSABLE
from purposewatch_cli.terminal import errors_console, printable
from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.live.run import VARIABLE, Options, UnusableKeysError, read_keys, send_traffic
from purposewatch_runtime.settings import KafkaSettings, faults

_CLUSTER = "PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS"


def traffic(
    url: Annotated[
        str, typer.Option(help="Address of ingest.", envvar="PURPOSEWATCH_TRAFFIC_URL")
    ] = "http://localhost:8600",
    *,
    rate: Annotated[
        float, typer.Option(min=0.1, help="Events per second.", envvar="PURPOSEWATCH_TRAFFIC_RATE")
    ] = 50.0,
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds to send. Default: until Ctrl-C.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the generated events. Default: a new one at each start."),
    ] = None,
) -> None:
    """Send the demonstration's traffic to a Purposewatch that is running.

    The publishers' API keys are in PURPOSEWATCH_TRAFFIC_API_KEYS, as `name:key,name:key`. With
    PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS set, part of it goes straight to the raw topic, with a
    malformed record now and then; otherwise all of it goes over HTTP. Exit status: 0 every answer
    was the expected one, 1 one was not, 2 it could not start.
    """
    try:
        held = read_keys(os.environ.get(VARIABLE, ""), planned_traffic().controllers_by_publisher)
        kafka = KafkaSettings() if os.environ.get(_CLUSTER) else None
    except UnusableKeysError as error:
        _refuse(str(error))
    except ValidationError as error:
        _refuse(*faults(error))
    options = Options(
        url=url,
        keys=held,
        kafka=kafka,
        rate=rate,
        seconds=seconds,
        seed=secrets.randbits(40) if seed is None else seed,
    )
    try:
        raise typer.Exit(asyncio.run(send_traffic(options)))
    except KafkaError as error:
        _refuse(f"Kafka can't be reached ({type(error).__name__}); check {_CLUSTER}")


def _refuse(*lines: str) -> NoReturn:
    for line in lines:
        errors_console().print(Text(printable(line, limit=1_000)))
    raise typer.Exit(UNUSABLE)
