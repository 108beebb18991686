"""The command `purposewatch record`."""

import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.text import Text

from purposewatch_cli.policy.loading import UNUSABLE, LanguageTag
from purposewatch_cli.reporter_api import (
    DEFAULT_REPORTER,
    ReporterApi,
    ReporterError,
    ReporterOption,
)
from purposewatch_cli.terminal import errors_console, printable
from purposewatch_cli.times import parse_time


class RecordFormat(StrEnum):
    """What kind of file."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"
    DOCX = "docx"


def record(  # noqa: PLR0913 - options of a command
    controller: Annotated[str, typer.Argument(metavar="CONTROLLER", help="Whose record.")],
    *,
    output_format: Annotated[
        RecordFormat, typer.Option("--format", help="`html` is to print, `docx` is for Word.")
    ] = RecordFormat.JSON,
    language: Annotated[
        LanguageTag, typer.Option("--lang", help="Language of labels and headings.")
    ] = LanguageTag.EN,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Events from then on: a time with zone, or `90d` ago."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Events before then: likewise.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Where to; else to standard output."),
    ] = None,
    reporter: ReporterOption = DEFAULT_REPORTER,
) -> None:
    """Write the record of processing activities of a controller (article 30 GDPR).

    Times are taken to the beginning of their hour, by which the reporter counts.

    Exit status: 0, or 2 when the reporter can't be used, or the file can't be written.
    """
    now = datetime.now(UTC)
    try:
        query = {"format": str(output_format), "lang": str(language)}
        for name, text in (("since", since), ("until", until)):
            if text is not None:
                query[name] = _hour(text, now)
        api = ReporterApi(reporter, os.environ.get("PURPOSEWATCH_REPORTER_API_TOKEN"))
        content = api.file(f"/records/{quote(controller, safe='')}", query)
        if output is None:
            typer.echo(content, nl=False)
        else:
            output.write_bytes(content)
    except (ReporterError, ValueError, OSError) as error:
        for line in str(error).splitlines():
            errors_console().print(Text(printable(line, limit=2_000)), soft_wrap=True)
        raise typer.Exit(UNUSABLE) from error


def _hour(text: str, now: datetime) -> str:
    time = parse_time(text, now).replace(minute=0, second=0, microsecond=0)
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
