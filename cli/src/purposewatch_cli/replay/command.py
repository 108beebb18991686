"""The command `purposewatch replay`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from purposewatch_cli.kafka import fail
from purposewatch_cli.policy.loading import DEFAULT_POLICIES, PoliciesOption, load_or_exit
from purposewatch_cli.replay.late_facts import replay_affected
from purposewatch_cli.replay.new_policy import Asked, replay_policy
from purposewatch_cli.reporter_api import DEFAULT_REPORTER, ReporterOption
from purposewatch_cli.times import parse_time


def replay(  # noqa: PLR0913 - one for each option
    new_policy: Annotated[
        str | None,
        typer.Argument(
            metavar="[NEW_POLICY]",
            help="Policy file, or `DIR@VERSION`; what is in shadow mode counts as live.",
            show_default=False,
        ),
    ] = None,
    *,
    affected_by: Annotated[
        str | None,
        typer.Option("--affected-by", metavar="FACT", help="Instead: a fact that was stated late."),
    ] = None,
    controller: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose policy, or only events of whom.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only events since, `2026-03-02T08:15:00Z` or `90d` ago."
        ),
    ] = None,
    verify: Annotated[
        int,
        typer.Option(
            min=0,
            max=10_000,
            metavar="N",
            help="Of a new policy: read the last N events again from Kafka, decide each, and "
            "compare it with the answer.",
        ),
    ] = 0,
    policies: PoliciesOption = DEFAULT_POLICIES,
    limit: Annotated[int, typer.Option(min=0, max=1_000, help="How many to show.")] = 100,
    as_lines: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
    reporter: ReporterOption = DEFAULT_REPORTER,
) -> None:
    """Judge recorded events again: by a new policy, or with a fact that was stated late.

    `replay NEW_POLICY` asks the reporter what the policy would have decided about the events since:
    what would become a violation, be permitted, or be a violation for another reason. The answer
    takes seconds, whatever the number of events. Exit status: 0 nothing would change, 1 something
    would, 2 unusable. With `--verify`: 0 the events that were read again are decided as the answer
    says, 1 one of them is not.

    `replay --affected-by FACT` reads the topics of facts and verdicts, and judges the events again
    that depend on the fact, with the statements that are known now. All other facts keep the values
    that the verdicts used. Exit status: 0 everything would be decided as it was, 1 there are
    differences, 2 unusable.

    Neither changes anything.
    """
    began = _time(since)
    if affected_by is not None and new_policy is None and not verify:
        replay_affected(
            affected_by,
            controller=controller,
            since=began,
            policies=load_or_exit(policies),
            limit=None if as_lines else limit,
        )
    if new_policy is None or affected_by is not None:
        fail("name a NEW_POLICY, with or without `--verify`; or a fact with `--affected-by`")
    asked = Asked(new_policy, policies, controller, began, reporter, limit, verify)
    replay_policy(asked, as_lines=as_lines)


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_time(text, datetime.now(UTC))
    except ValueError as error:
        fail(str(error))
