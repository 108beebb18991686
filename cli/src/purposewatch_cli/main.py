"""The command `purposewatch` and its sub-commands."""

from importlib.metadata import entry_points, version
from typing import Annotated

import typer

from purposewatch_cli.bundle.command import bundle_app
from purposewatch_cli.check.command import check
from purposewatch_cli.dead_letters.command import dead_letters_app
from purposewatch_cli.policy.diff_command import diff
from purposewatch_cli.policy.exceptions_command import exceptions, grant_exceptions
from purposewatch_cli.policy.explain_command import explain
from purposewatch_cli.policy.lint_command import lint
from purposewatch_cli.policy.show_command import show
from purposewatch_cli.policy.test_command import run_cases
from purposewatch_cli.record_command import record
from purposewatch_cli.replay.command import replay
from purposewatch_cli.vocabulary.search_command import search

app = typer.Typer(
    rich_markup_mode="markdown",
    name="purposewatch",
    help="Audit what is done with personal data against the declared privacy policy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, which may hold events
)
policy_app = typer.Typer(
    help="Lint, test, explain, compare and show declared policies.", no_args_is_help=True
)
vocabulary_app = typer.Typer(
    help="Find the terms that events and policies are written in.", no_args_is_help=True
)

app.command(epilog="Example: purposewatch check events.jsonl --policies policies")(check)
app.command(epilog="Example: purposewatch replay draft.yaml --since 90d --verify 1000")(replay)
app.command(epilog="Example: purposewatch record wework-labs --format docx --output record.docx")(
    record
)
policy_app.command(epilog="Example: purposewatch policy lint --policies policies --verbose")(lint)
policy_app.command("test", epilog="Example: purposewatch policy test --min-coverage 80")(run_cases)
policy_app.command(
    epilog="Example: purposewatch policy explain event.json --fact consent.marketing"
)(explain)
policy_app.command(epilog="Example: purposewatch policy diff policies@2018-05-25 draft.yaml")(diff)
policy_app.command(epilog="Example: purposewatch policy show --controller wework-labs --lang zh")(
    show
)
policy_app.command(
    epilog="Example: purposewatch policy exceptions policies@2027 --owner crm --expires 90d"
)(exceptions)
policy_app.command(
    "grant-exceptions", epilog="Example: purposewatch policy grant-exceptions exceptions.yaml"
)(grant_exceptions)
vocabulary_app.command(epilog='Example: purposewatch vocabulary search "licence plate"')(search)
app.add_typer(policy_app, name="policy")
app.add_typer(vocabulary_app, name="vocabulary")
app.add_typer(dead_letters_app, name="dead-letters")
app.add_typer(bundle_app, name="bundle")
# Other distributions add commands of their own: purposewatch-demo brings `demo` and `traffic`.
for plugin in sorted(entry_points(group="purposewatch.commands"), key=lambda found: found.name):
    app.command(plugin.name)(plugin.load())


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag's value
    if wanted:
        typer.echo(f"purposewatch {version('purposewatch')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    """Audit what is done with personal data against the declared privacy policy."""
