"""The command `purposewatch-connect`."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from starlette.types import ASGIApp

from purposewatch_client import SettingsError
from purposewatch_connect.connector import Certificate
from purposewatch_connect.exports.cloudtrail import read_cloudtrail
from purposewatch_connect.exports.publish import publish_files
from purposewatch_connect.exports.reading import Reader
from purposewatch_connect.exports.settings import ExportSettings
from purposewatch_connect.exports.snowflake import read_snowflake
from purposewatch_connect.mapping import lint_mapping, load_mapping
from purposewatch_connect.openlineage.app import build_app as build_openlineage
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_connect.otlp.app import build_app as build_otlp
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.pgaudit.app import build_app as build_pgaudit
from purposewatch_connect.pgaudit.settings import PgauditSettings
from purposewatch_connect.settings import ConnectSettings, ServingSettings
from purposewatch_policy import InvalidSourceError
from purposewatch_policy.vocabulary import load_vocabularies
from purposewatch_runtime.http import HttpLimits, TlsError
from purposewatch_runtime.logs import configure_logs, get_logger
from purposewatch_runtime.service import Supervisor, run, watch_tls
from purposewatch_runtime.settings import load_settings

app = typer.Typer(
    name="purposewatch-connect",
    help="Turn what exists already into data-access events.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, which may hold events
)

_MAPPING_VARIABLE = "PURPOSEWATCH_CONNECT_MAPPING_FILE"

UNUSABLE = 2
"""Exit status when the input cannot be used at all."""

S = TypeVar("S", bound=ConnectSettings)
Serving = TypeVar("Serving", bound=ServingSettings)

MappingOption = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="FILE",
        help="The mapping file; instead of PURPOSEWATCH_CONNECT_MAPPING_FILE.",
    ),
]

PathsArgument = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="Files, or directories with files."),
]


@app.command(epilog="Example: purposewatch-connect lint mapping.yaml --policies policies")
def lint(
    mapping: Annotated[Path, typer.Argument(metavar="FILE", help="The mapping file.")],
    policies: Annotated[
        Path,
        typer.Option(
            envvar="PURPOSEWATCH_POLICIES_DIR",
            metavar="DIR",
            help="Directory of the declared policies, whose vocabulary has the terms.",
        ),
    ] = Path("policies"),
) -> None:
    """Check a mapping file against the vocabulary.

    Exit status: 0, 1 with faults of the mapping, 2 if the policies can't be read.
    """
    try:
        vocabularies = load_vocabularies(policies)
    except InvalidSourceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNUSABLE) from None
    try:
        loaded = load_mapping(mapping)
        faults = lint_mapping(loaded, vocabularies)
    except InvalidSourceError as error:
        faults = error.errors
    for fault in faults:
        typer.echo(str(fault))
    if faults:
        raise typer.Exit(1)
    typer.echo(f"{mapping}: {len(loaded.rules)} rules, no faults")


@app.command(epilog="Example: purposewatch-connect otlp --mapping mapping.yaml")
def otlp(mapping: MappingOption = None) -> None:
    """Receive spans and log records over OTLP/HTTP and OTLP/gRPC.

    Everything else is read from the environment: see docs/settings.md.
    """
    _serve(OtlpSettings, build_otlp, mapping)


@app.command(epilog="Example: purposewatch-connect openlineage --mapping mapping.yaml")
def openlineage(mapping: MappingOption = None) -> None:
    """Receive run events of OpenLineage over HTTP.

    Everything else is read from the environment: see docs/settings.md.
    """
    _serve(OpenLineageSettings, build_openlineage, mapping)


@app.command(epilog="Example: purposewatch-connect pgaudit --mapping mapping.yaml")
def pgaudit(mapping: MappingOption = None) -> None:
    """Follow the log of a PostgreSQL server that has pgaudit.

    Everything else is read from the environment: see docs/settings.md.
    """
    _serve(PgauditSettings, build_pgaudit, mapping)


@app.command(epilog="Example: purposewatch-connect cloudtrail --mapping mapping.yaml logs/")
def cloudtrail(paths: PathsArgument, mapping: MappingOption = None) -> None:
    """Publish the S3 data events in log files of AWS CloudTrail.

    Exit status: 0, 1 if a file can't be read (the others are published).
    """
    _publish("cloudtrail", read_cloudtrail, paths, mapping)


@app.command(epilog="Example: purposewatch-connect snowflake --mapping mapping.yaml history.csv")
def snowflake(paths: PathsArgument, mapping: MappingOption = None) -> None:
    """Publish exports of Snowflake's ACCESS_HISTORY, as JSON lines or CSV.

    Exit status: 0, 1 if a file can't be read (the others are published).
    """
    _publish("snowflake", read_snowflake, paths, mapping)


def _publish(name: str, reader: Reader, paths: list[Path], mapping: Path | None) -> None:
    """Publish files, and say what became of them."""
    settings = _load(ExportSettings, mapping)
    configure_logs(settings, service="connect")
    try:
        summary = asyncio.run(publish_files(name, reader, paths, settings))
    except (InvalidSourceError, SettingsError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNUSABLE) from None
    for fault in summary.faults:
        typer.echo(fault, err=True)
    for gap, number in sorted(summary.gaps.items()):
        typer.echo(f"gap: {gap} ({number})")
    typer.echo(f"{summary.records} records, {summary.accesses} events in the spool")
    if summary.faults:
        raise typer.Exit(1)


def _load(kind: type[S], mapping: Path | None) -> S:
    """Read the settings; the option stands for the variable."""
    if mapping is not None:
        os.environ[_MAPPING_VARIABLE] = str(mapping)
    return load_settings(kind)


def _serve(
    kind: type[Serving],
    build: Callable[[Serving, Certificate | None], tuple[ASGIApp, Supervisor]],
    mapping: Path | None,
) -> None:
    """Serve until stopped, as the services do."""
    settings = _load(kind, mapping)
    configure_logs(settings, service="connect")
    try:
        tls = watch_tls(settings.tls_files(), interval_seconds=settings.policies_reload_seconds)
        application, supervisor = build(settings, tls)
    except (InvalidSourceError, SettingsError, TlsError) as error:
        get_logger(__name__).critical("cannot run", error=str(error))
        raise SystemExit(1) from None
    run(
        application,
        supervisor,
        host=settings.connect_host,
        port=settings.http_port,
        limits=HttpLimits.from_settings(settings),
        trusted_proxies=settings.trusted_proxies,
        tls=None if tls is None else lambda: tls.current,
    )
