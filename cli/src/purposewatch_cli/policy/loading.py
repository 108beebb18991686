"""The options that policy commands share, and loading the policies or ending with every error."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.text import Text

from purposewatch_cli.terminal import errors_console, printable
from purposewatch_policy import InvalidSourceError, PolicySet, load_policies

__all__ = ["DEFAULT_POLICIES", "UNUSABLE", "PoliciesOption", "load_or_exit"]

DEFAULT_POLICIES = Path("policies")

PoliciesOption: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--policies",
        envvar="PURPOSEWATCH_POLICIES_DIR",
        metavar="DIR",
        help="Directory of the declared policies, with one directory for each controller.",
    ),
]
PoliciesOrControllerOption: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--policies",
        envvar="PURPOSEWATCH_POLICIES_DIR",
        metavar="DIR",
        help="Directory of the declared policies, or of one controller in it.",
    ),
]
DeprecatedPath: TypeAlias = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="Deprecated: use `--policies DIR`.")
]


class LanguageTag(StrEnum):
    """The languages of `purposewatch_policy.languages`, as an option takes them."""

    EN = "en"
    ZH = "zh"


UNUSABLE = 2
"""Exit status when the input cannot be used at all."""


def policies_dir(deprecated: Path | None, policies: Path) -> Path:
    """Return the directory that a command reads; an argument instead of `--policies` still counts.

    Deprecated in 0.2.0: the argument is removed in a later release.
    """
    if deprecated is None:
        return policies
    warning = f"warning: `{deprecated}` as an argument is deprecated; use `--policies {deprecated}`"
    errors_console().print(Text(printable(warning), style="yellow"), soft_wrap=True)
    return deprecated


def load_or_exit(directory: Path) -> PolicySet:
    """Return the policies of a directory; otherwise print the faults and exit with status 2."""
    complaint = ""
    if not directory.is_dir():
        complaint = (
            f"there is no directory `{directory}`; name the directory of the policies with "
            "`--policies` or in the variable PURPOSEWATCH_POLICIES_DIR"
        )
    else:
        try:
            return load_policies(directory)
        except InvalidSourceError as error:
            complaint = "\n".join(str(each) for each in error.errors)
    for line in complaint.splitlines():
        errors_console().print(Text(printable(line)))
    raise typer.Exit(UNUSABLE)
