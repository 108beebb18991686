"""The command `purposewatch policy diff`."""

import json
from typing import Annotated

import typer
from rich.text import Text

from purposewatch_cli.policy.diff_json import as_json as difference_as_json
from purposewatch_cli.policy.diff_report import show
from purposewatch_cli.policy.loading import DEFAULT_POLICIES, UNUSABLE, PoliciesOption
from purposewatch_cli.terminal import console, errors_console, printable
from purposewatch_policy.diff import compare_versions
from purposewatch_policy.files import UnusableVersionError, read_two_versions

DIFFERENT = 1
RIGHTS_SHRINK = 3


def diff(
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD", help="Policy file, or directory of policies; `DIR@VERSION` picks one."
        ),
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same, for the other side.")],
    policies: PoliciesOption = DEFAULT_POLICIES,
    *,
    controller: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose policy, where a directory holds several."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which flows one version permits and the other does not, whatever the wording.

    A file is read in the vocabulary of the tree it stands in, else of `--policies`. Of a
    directory with several versions, the latest is taken unless one is named.

    Exit status: 0 no difference, 1 a difference, 3 a difference by which the data subjects'
    rights shrink, 2 the input is unusable.
    """
    try:
        before, after = read_two_versions(old, new, policies, controller)
    except UnusableVersionError as error:
        for line in str(error).splitlines():
            errors_console().print(Text(printable(line, limit=2_000)), soft_wrap=True)
        raise typer.Exit(UNUSABLE) from error
    difference = compare_versions(before, after)
    if as_json:
        typer.echo(json.dumps(difference_as_json(difference), indent=2))
    else:
        show(console(), difference)
    if difference.rights_shrink:
        raise typer.Exit(RIGHTS_SHRINK)
    raise typer.Exit(DIFFERENT if difference else 0)
