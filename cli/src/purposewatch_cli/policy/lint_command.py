"""The command `purposewatch policy lint`."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from purposewatch_cli.policy.lint_report import as_json, show
from purposewatch_cli.policy.lint_sarif import as_sarif
from purposewatch_cli.policy.loading import (
    DEFAULT_POLICIES,
    DeprecatedPath,
    PoliciesOrControllerOption,
    policies_dir,
)
from purposewatch_cli.terminal import console
from purposewatch_policy.lint import Severity, lint_path


class LintFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def lint(
    path: DeprecatedPath = None,
    policies: PoliciesOrControllerOption = DEFAULT_POLICIES,
    *,
    output: Annotated[
        LintFormat, typer.Option("--format", help="For a reader, a program, or a code host.")
    ] = LintFormat.TEXT,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show each note instead of a count for each rule.")
    ] = False,
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="The lowest severity that fails the command.")
    ] = Severity.ERROR,
) -> None:
    """Check policy and vocabulary files for errors, contradictions, dead statements and risks.

    Errors come first, then warnings, then notes. Many notes of one rule are shown as a count.

    Exit status: 0, or 1 with findings of the severity `--fail-on` or higher. Findings that a
    policy accepts are shown and do not fail.
    """
    result = lint_path(policies_dir(path, policies))
    match output:
        case LintFormat.TEXT:
            show(console(), result, verbose=verbose)
        case LintFormat.JSON:
            typer.echo(json.dumps(as_json(result), indent=2))
        case LintFormat.SARIF:
            typer.echo(json.dumps(as_sarif(result), indent=2))
    raise typer.Exit(1 if result.fails(fail_on) else 0)
