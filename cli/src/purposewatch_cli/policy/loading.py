"""Loads the policies that a command needs, or ends the command with every fault of them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.text import Text

from purposewatch_cli.terminal import errors_console, printable
from purposewatch_policy import InvalidSourceError, PolicySet, load_policies

__all__ = ["UNUSABLE", "PoliciesOption", "load_or_exit"]

PoliciesOption: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--policies",
        envvar="PURPOSEWATCH_POLICIES_DIR",
        metavar="DIR",
        help="Directory of the declared policies.",
    ),
]


class LanguageTag(StrEnum):
    """The languages of `purposewatch_policy.languages`, as an option takes them."""

    EN = "en"
    ZH = "zh"


UNUSABLE = 2


def load_or_exit(directory: Path) -> PolicySet:
    """Return the policies of a directory; otherwise print the faults and exit with status 2."""
    complaint = ""
    if not directory.is_dir():
        complaint = f"no policies at `{directory}`; name their directory with `--policies`"
    else:
        try:
            return load_policies(directory)
        except InvalidSourceError as error:
            complaint = "\n".join(str(each) for each in error.errors)
    for line in complaint.splitlines():
        errors_console().print(Text(printable(line)))
    raise typer.Exit(UNUSABLE)
