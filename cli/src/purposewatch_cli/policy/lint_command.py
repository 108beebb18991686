"""The command `purposewatch policy lint`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from purposewatch_cli.policy.lint_report import as_json, show
from purposewatch_cli.policy.lint_sarif import as_sarif
from purposewatch_cli.terminal import console
from purposewatch_policy.lint import Severity, lint_path


class LintFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def lint(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="Directory of all policies, or of one controller."),
    ] = Path("policies"),
    *,
    output: Annotated[
        LintFormat, typer.Option("--format", help="For a reader, a program, or a code host.")
    ] = LintFormat.TEXT,
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="The least grave finding that fails.")
    ] = Severity.ERROR,
) -> None:
    """Check policy and vocabulary files: faults, contradictions, idle statements and risks.

    Exit status: 0, or 1 with findings as grave as `--fail-on` or graver. Findings that a policy
    accepts are shown and do not fail.
    """
    result = lint_path(path)
    match output:
        case LintFormat.TEXT:
            show(console(), result)
        case LintFormat.JSON:
            typer.echo(json.dumps(as_json(result), indent=2))
        case LintFormat.SARIF:
            typer.echo(json.dumps(as_sarif(result), indent=2))
    raise typer.Exit(1 if result.fails(fail_on) else 0)
