"""The commands `purposewatch policy exceptions` and `purposewatch policy grant-exceptions`."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from purposewatch_cli.policy.exceptions.file import (
    ExceptionsFile,
    Terms,
    read_exceptions,
    written,
)
from purposewatch_cli.policy.exceptions.needed import Matched, needed
from purposewatch_cli.policy.loading import DEFAULT_POLICIES, UNUSABLE, PoliciesOption
from purposewatch_cli.reporter_api import (
    DEFAULT_REPORTER,
    ReporterApi,
    ReporterError,
    ReporterOption,
)
from purposewatch_cli.terminal import counted, errors_console, printable
from purposewatch_cli.times import parse_time
from purposewatch_policy import CompiledPolicy, InvalidSourceError
from purposewatch_policy.files import UnusableVersionError, read_version, version_texts_of

MAX_EFFECTS = 1_000
"""As many as the reporter lists; it has no more silences at a time either."""


def exceptions(  # noqa: PLR0913 - options of a command
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE", help="Policy file, or `DIR@VERSION`; shadow mode counts as live."
        ),
    ],
    policies: PoliciesOption = DEFAULT_POLICIES,
    *,
    controller: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose policy, where a directory holds several."),
    ] = None,
    owner: Annotated[str, typer.Option(help="Who answers for the exceptions.")] = "",
    reason: Annotated[str, typer.Option(help="Why they are granted.")] = "",
    author: Annotated[str, typer.Option(help="Who grants them.")] = "",
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="When they end: a time with zone, or in `90d`.")
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Events from then on count: a time, or `90d` ago.")
    ] = "90d",
    reporter: ReporterOption = DEFAULT_REPORTER,
) -> None:
    """Write the exceptions that let a stricter policy go live, as YAML to standard output.

    One for each finding that would be new, by what was recorded. Complete the file, and grant
    them with `grant-exceptions`. What is excepted already is left out.

    Exit status: 0, or 2 when the policy or the reporter can't be used.
    """
    now = datetime.now(UTC)
    try:
        compiled = read_version(candidate, policies, controller)
        whose, version = compiled.policy.controller, compiled.policy.version
        terms = Terms(owner, reason, author, _expires(expires, now))
        api = _api(reporter)
        question = {**_question(candidate, compiled), "limit": MAX_EFFECTS}
        answer = api.post("/what-if", {**question, "since": parse_time(since, now).isoformat()})
        there = _granted(api, whose, version)
    except (UnusableVersionError, ReporterError, ValueError) as error:
        raise _unusable(error) from error
    needs = [each for each in needed(answer["effects"]) if each.matched not in there]
    typer.echo(written(whose, version, terms, needs), nl=False)
    _say(f"{counted(len(needs), 'exception')} needed, {len(there)} granted already")
    _warn(answer)


def grant_exceptions(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `policy exceptions` wrote, completed.")
    ],
    reporter: ReporterOption = DEFAULT_REPORTER,
) -> None:
    """Grant the exceptions of a file: the reporter silences what they cover until they end.

    Those that are there already and end no earlier stay as they are, so the command may be
    repeated; a later end renews them.

    Exit status: 0, or 2 when the file or the reporter can't be used.
    """
    added = 0
    try:
        asked = read_exceptions(file)
        api = _api(reporter)
        there = _granted(api, asked.controller, asked.policy_version)
        for silence in _silences(asked, there):
            api.post("/silences", silence)
            added += 1
    except (InvalidSourceError, ReporterError) as error:
        if added:
            _say(f"{counted(added, 'exception')} granted before")
        raise _unusable(error) from error
    _say(f"{counted(added, 'exception')} granted, {len(asked.exceptions) - added} there already")


def _silences(
    asked: ExceptionsFile, there: Mapping[Matched, datetime]
) -> Iterable[Mapping[str, Any]]:
    """Yield what has to be added: what is there already, and ends no earlier, is left out."""
    for each in asked.exceptions:
        ends = there.get(each.matched)
        if ends is None or ends < datetime.fromisoformat(each.terms.expires_time):
            yield {
                "matchers": {"controller": asked.controller, **each.matched._asdict()},
                "reason": each.terms.reason,
                "author": each.terms.author,
                "expires_time": each.terms.expires_time,
                "exception": {
                    "policy_version": asked.policy_version,
                    "owner": each.terms.owner,
                },
            }


def _granted(api: ReporterApi, controller: str, version: str) -> dict[Matched, datetime]:
    """Return what exceptions that are in force cover, and until when."""
    found = api.get("/silences", {"active": "true", "exceptions": "true"})["items"]
    ends: dict[Matched, datetime] = {}
    for each in found:
        matchers, time = each["matchers"], datetime.fromisoformat(each["expires_time"])
        if (matchers["controller"], each["exception"]["policy_version"]) == (controller, version):
            what = Matched(*(matchers[name] for name in Matched._fields))
            ends[what] = max(time, ends.get(what, time))
    return ends


def _question(candidate: str, compiled: CompiledPolicy) -> dict[str, Any]:
    """Return the policy as the reporter takes it: the text of its head, and of further files."""
    texts = version_texts_of(candidate, compiled)
    if not texts:
        message = f"`{candidate}` can't be read any more; try again"
        raise UnusableVersionError(message)
    head, *parts = (each.text for each in texts)
    return {"policy": head, "parts": parts, "controller": compiled.policy.controller}


def _api(reporter: str) -> ReporterApi:
    return ReporterApi(reporter, os.environ.get("PURPOSEWATCH_REPORTER_API_TOKEN"))


def _expires(text: str, now: datetime) -> str:
    """Return the time; `90d` is a time to come. Nothing stays nothing, for somebody to fill in."""
    if not text:
        return ""
    time = parse_time(text, now)
    ahead = now - time if text[-1] in "smhd" else timedelta(0)
    return (time + 2 * ahead).isoformat(timespec="seconds")


def _warn(answer: Mapping[str, Any]) -> None:
    left_out = answer["all_effects"] - len(answer["effects"])
    if left_out:
        _say(f"{counted(left_out, 'change')} less frequent than these not looked at")
    for what, why in (
        ("not_known", "depend on facts that nobody looked up"),
        ("other", "are beyond the limit of distinct flows"),
        ("carried", "were recorded before there was a flow ledger"),
    ):
        events = {**answer["totals"], **answer}[what]["events"]
        if events:
            _say(f"{counted(events, 'event')} {why}: what becomes of them is not known")


def _say(text: str) -> None:
    errors_console().print(Text(printable(text, limit=2_000)), soft_wrap=True)


def _unusable(error: Exception) -> typer.Exit:
    lines: Sequence[str] = str(error).splitlines()
    for line in lines:
        _say(line)
    return typer.Exit(UNUSABLE)
