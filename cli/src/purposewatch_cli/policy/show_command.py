"""The command `purposewatch policy show`."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from purposewatch_cli.policy.loading import DEFAULT_POLICIES, UNUSABLE, LanguageTag, PoliciesOption
from purposewatch_cli.policy.show.markdown import as_markdown
from purposewatch_cli.policy.show.picture import as_svg
from purposewatch_cli.policy.show.text import show_matrices
from purposewatch_cli.policy.show.words import Wording
from purposewatch_cli.terminal import console, errors_console, printable
from purposewatch_policy.files import UnusableVersionError, read_version


class ShowFormat(StrEnum):
    """What the policy is shown as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    SVG = "svg"


def show(
    policy: Annotated[
        str | None,
        typer.Argument(
            metavar="[POLICY]",
            help="Policy file, or `DIR@VERSION`; without it, the latest version in `--policies`.",
        ),
    ] = None,
    policies: PoliciesOption = DEFAULT_POLICIES,
    *,
    controller: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose policy, where a directory holds several."),
    ] = None,
    output: Annotated[
        ShowFormat,
        typer.Option("--format", help="A table, Markdown for a wiki, or a picture of the flows."),
    ] = ShowFormat.TEXT,
    language: Annotated[
        LanguageTag, typer.Option("--lang", help="Language of labels and headings.")
    ] = LanguageTag.EN,
) -> None:
    """Show what a policy permits: a matrix of role, data and purpose, or a picture.

    Exit status: 0, or 2 when the policy can't be loaded.
    """
    try:
        compiled = read_version(policy or str(policies), policies, controller)
    except UnusableVersionError as error:
        for line in str(error).splitlines():
            errors_console().print(Text(printable(line, limit=2_000)), soft_wrap=True)
        raise typer.Exit(UNUSABLE) from error
    wording = Wording(compiled, language)
    match output:
        case ShowFormat.TEXT:
            show_matrices(console(), wording)
        case ShowFormat.MARKDOWN:
            typer.echo(as_markdown(wording), nl=False)
        case ShowFormat.SVG:
            typer.echo(as_svg(wording), nl=False)
