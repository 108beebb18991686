"""The command `purposewatch policy test`."""

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from purposewatch_cli.policy.cases_report import as_json, show
from purposewatch_cli.policy.loading import (
    DEFAULT_POLICIES,
    UNUSABLE,
    DeprecatedPath,
    PoliciesOrControllerOption,
    policies_dir,
)
from purposewatch_cli.terminal import console, errors_console, printable
from purposewatch_policy import InvalidSourceError
from purposewatch_policy.cases import ControllerResult, run_controller
from purposewatch_policy.files import load_tree


class CasesFormat(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


def run_cases(
    path: DeprecatedPath = None,
    policies: PoliciesOrControllerOption = DEFAULT_POLICIES,
    *,
    output: Annotated[
        CasesFormat, typer.Option("--format", help="For a reader, or for a program.")
    ] = CasesFormat.TEXT,
    min_coverage: Annotated[
        float,
        typer.Option(
            "--min-coverage",
            min=0,
            max=100,
            metavar="PERCENT",
            help="Minimum share of statements, and of terms in them, that each version must cover.",
        ),
    ] = 0,
) -> None:
    """Run the test cases beside each policy (`cases.yaml`), and show what they do not cover.

    Exit status: 0 when every case is decided as expected and the coverage suffices, otherwise 1;
    2 when the policies or cases can't be loaded.
    """
    tree = load_tree(policies_dir(path, policies))
    errors = list(tree.errors)
    results: list[ControllerResult] = []
    for controller in tree.controllers:
        try:
            results.append(run_controller(controller))
        except InvalidSourceError as error:
            errors.extend(error.errors)
    if errors:
        for each in errors:
            errors_console().print(Text(printable(str(each), limit=2_000)), soft_wrap=True)
        raise typer.Exit(UNUSABLE)
    if output is CasesFormat.JSON:
        typer.echo(json.dumps(as_json(results), indent=2))
    else:
        show(console(), results, min_coverage)
    covered = all(
        coverage.reaches(min_coverage) for result in results for coverage in result.coverage
    )
    failed = any(result.failed for result in results)
    raise typer.Exit(1 if failed or not covered else 0)
