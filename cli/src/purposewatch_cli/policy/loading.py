"""The options that policy commands share, and loading the policies or ending with every error."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.text import Text

from purposewatch_cli.terminal import errors_console, printable
from purposewatch_contract import CanonicalData, SubmittedData
from purposewatch_policy import InvalidSourceError, PolicySet, load_policies
from purposewatch_policy.files import StatedFacts, load_stated_facts

__all__ = [
    "DEFAULT_POLICIES",
    "UNUSABLE",
    "FactsOption",
    "PoliciesOption",
    "load_facts_or_exit",
    "load_or_exit",
    "subject_of",
]

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
FactsOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--facts",
        metavar="FILE",
        help="Statements of facts by subject, as YAML or JSON lines. For facts with `authority: "
        "ledger` they count instead of what events claim.",
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


def subject_of(data: SubmittedData | CanonicalData) -> str:
    """Return the data subject as an event names it: an identifier, or a pseudonym."""
    return data.subject_id if isinstance(data, SubmittedData) else data.subject


def load_facts_or_exit(path: Path | None, policies: PolicySet) -> StatedFacts | None:
    """Return the statements of a file, if one is named; otherwise as `load_or_exit`."""
    if path is None:
        return None
    try:
        return load_stated_facts(path, policies)
    except InvalidSourceError as error:
        for each in error.errors:
            errors_console().print(Text(printable(str(each))))
        raise typer.Exit(UNUSABLE) from error
