"""The commands `purposewatch dead-letters list`, `show`, `replay` and `drop`."""

import getpass
import heapq
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from purposewatch_cli.dead_letters.actions import (
    DeadLetterActions,
    Done,
    NotReplayableError,
    check_replayable,
)
from purposewatch_cli.dead_letters.letters import Filter, Letter, LetterPosition
from purposewatch_cli.dead_letters.reader import DeadLetterReader
from purposewatch_cli.dead_letters.shown import (
    as_json,
    done_as_json,
    show_letter,
    show_list,
)
from purposewatch_cli.kafka import UnusableError, fail, run_on_kafka, say
from purposewatch_cli.terminal import console, counted, printable
from purposewatch_cli.times import parse_time
from purposewatch_contract import DeadLetterAction, ErrorClass
from purposewatch_runtime.settings import KafkaSettings

_PROBLEMS = 1

dead_letters_app = typer.Typer(help="Inspect, replay and drop dead letters.", no_args_is_help=True)

ErrorClassOption = Annotated[
    ErrorClass | None, typer.Option("--error-class", help="Only dead letters of this class.")
]
ConsumerOption = Annotated[
    str | None, typer.Option(help="Only dead letters of this service: ingest or auditor.")
]
TopicOption = Annotated[
    str | None, typer.Option(help="Only records of this topic: raw, events, or the full name.")
]
SinceOption = Annotated[
    str | None, typer.Option(help="Only what failed since, `2026-03-02T08:15:00Z` or `90m` ago.")
]
UntilOption = Annotated[
    str | None, typer.Option(help="Only what failed before, in the same format.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON Lines.")]
LettersArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[LETTER]...", help="`partition/offset` as listed.")
]
EverythingOption = Annotated[
    bool, typer.Option("--everything", help="All open dead letters, if no filter is given.")
]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Also dead letters that were already replayed or dropped.")
]
MaxOption = Annotated[int, typer.Option("--max", min=1, help="The maximum number of dead letters.")]
AuthorOption = Annotated[
    str | None, typer.Option("--author", help="Who does it; the current user by default.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@dead_letters_app.command("list")
def list_letters(  # noqa: PLR0913 - one for each filter
    *,
    error_class: ErrorClassOption = None,
    consumer: ConsumerOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, help="The number of dead letters shown.")] = 50,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also dead letters that were replayed or dropped.")
    ] = False,
    as_lines: JsonOption = False,
) -> None:
    """List open dead letters, the latest first. Payloads are not shown.

    Exit status: 0 done, 2 unusable.
    """
    wanted = _filter(error_class, consumer, topic, since, until)

    async def run(settings: KafkaSettings) -> int:
        reader = DeadLetterReader(settings)
        latest: list[tuple[datetime, LetterPosition, Letter]] = []
        matching = 0
        async for letter in reader.letters():
            if wanted.matches(letter.content) and (show_all or letter.disposition is None):
                matching += 1
                heapq.heappush(latest, (letter.content.failed_time, letter.position, letter))
                if len(latest) > limit:
                    heapq.heappop(latest)
        letters = [letter for _, _, letter in sorted(latest, reverse=True, key=lambda e: e[:2])]
        if as_lines:
            for letter in letters:
                _print_json(as_json(letter, payload=False))
        elif letters:
            show_list(console(), letters)
        say(f"{counted(matching, 'dead letter')}, {len(letters):,} shown")
        _warn_of_unreadable(reader)
        return 0

    run_on_kafka(run)


@dead_letters_app.command()
def show(
    letter: Annotated[str, typer.Argument(help="`partition/offset` as listed.")],
    *,
    payload: Annotated[
        bool, typer.Option("--payload", help="Also key, value and headers; they may name people.")
    ] = False,
    as_lines: JsonOption = False,
) -> None:
    """Show one dead letter. Its payload may hold raw identifiers and is hidden without `--payload`.

    Exit status: 0 done, 2 unusable, also if there is no such dead letter.
    """
    [position] = _positions([letter])

    async def run(settings: KafkaSettings) -> int:
        [found] = await DeadLetterReader(settings).find([position])
        if as_lines:
            _print_json(as_json(found, payload=payload))
        else:
            show_letter(console(), found, payload=payload)
        return 0

    run_on_kafka(run)


@dead_letters_app.command()
def replay(  # noqa: PLR0913 - one for each filter
    letters: LettersArgument = None,
    *,
    error_class: ErrorClassOption = None,
    consumer: ConsumerOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    everything: EverythingOption = False,
    again: AgainOption = False,
    most: MaxOption = 1_000,
    stop_on_error: Annotated[
        bool, typer.Option("--stop-on-error", help="Stop at the first that can't be replayed.")
    ] = False,
    reinsert: Annotated[
        bool,
        typer.Option("--reinsert", help="What can't be replayed becomes a new dead letter."),
    ] = False,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
    as_lines: JsonOption = False,
) -> None:
    """Produce the original records to their topics again, byte for byte, oldest first.

    Exit status: 0 all replayed, 1 some could not be, 2 unusable or Kafka became unavailable.
    """
    if stop_on_error and reinsert:
        fail("`--stop-on-error` and `--reinsert` exclude each other; choose one")
    wanted = _filter(error_class, consumer, topic, since, until)
    positions = _choice(letters, wanted, everything=everything)

    async def run(settings: KafkaSettings) -> int:
        chosen, left = await _chosen(settings, positions, wanted, again=again, most=most)
        if dry_run:
            results = _rehearsed(chosen, settings)
            return await _report(results, left, as_lines=as_lines, would=True)
        actions = DeadLetterActions(
            settings, author=_author(author), clock=lambda: datetime.now(UTC)
        )
        async with actions.open():
            results = actions.replay(chosen, reinsert=reinsert)
            return await _report(results, left, as_lines=as_lines, stop_on_error=stop_on_error)

    run_on_kafka(run)


@dead_letters_app.command()
def drop(  # noqa: PLR0913 - one for each filter
    letters: LettersArgument = None,
    *,
    reason: Annotated[str, typer.Option(help="Why they are not worth replaying.")],
    error_class: ErrorClassOption = None,
    consumer: ConsumerOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    everything: EverythingOption = False,
    again: AgainOption = False,
    most: MaxOption = 1_000,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
    as_lines: JsonOption = False,
) -> None:
    """Mark dead letters as dealt with; they stay in Kafka until their retention ends.

    Exit status: 0 done, 2 unusable or Kafka became unavailable.
    """
    if not reason.strip():
        fail("`--reason` is empty; say why, for whoever reads the dead letter later")
    wanted = _filter(error_class, consumer, topic, since, until)
    positions = _choice(letters, wanted, everything=everything)

    async def run(settings: KafkaSettings) -> int:
        chosen, left = await _chosen(settings, positions, wanted, again=again, most=most)
        if dry_run:
            results = _each([Done(letter, DeadLetterAction.DROPPED) for letter in chosen])
            return await _report(results, left, as_lines=as_lines, would=True)
        actions = DeadLetterActions(
            settings, author=_author(author), clock=lambda: datetime.now(UTC)
        )
        async with actions.open():
            return await _report(actions.drop(chosen, reason=reason), left, as_lines=as_lines)

    run_on_kafka(run)


async def _chosen(
    settings: KafkaSettings,
    positions: list[LetterPosition],
    wanted: Filter,
    *,
    again: bool,
    most: int,
) -> tuple[list[Letter], int]:
    """The selected dead letters, oldest first, and how many more there are."""
    reader = DeadLetterReader(settings)
    if positions:
        letters = await reader.find(positions)
        done = [letter for letter in letters if letter.disposition is not None and not again]
        if done:
            names = ", ".join(f"{one.position} ({one.disposition.act})" for one in done)  # type: ignore[union-attr]
            message = f"already dealt with: {names}; `show` says by whom, `--again` repeats it"
            raise UnusableError(message)
        return letters[:most], max(0, len(letters) - most)
    # a max-heap by age would keep the oldest; positions are unique, so letters are never compared
    oldest: list[tuple[float, int, int, Letter]] = []
    matching = 0
    async for letter in reader.letters():
        if wanted.matches(letter.content) and (again or letter.disposition is None):
            matching += 1
            age = -letter.content.failed_time.timestamp()
            position = letter.position
            heapq.heappush(oldest, (age, -position.partition, -position.offset, letter))
            if len(oldest) > most:
                heapq.heappop(oldest)
    _warn_of_unreadable(reader)
    chosen = [entry[3] for entry in sorted(oldest, key=lambda entry: entry[:3], reverse=True)]
    return chosen, matching - len(chosen)


async def _report(
    results: AsyncIterator[Done],
    left: int,
    *,
    as_lines: bool,
    would: bool = False,
    stop_on_error: bool = False,
) -> int:
    counts: dict[str, int] = {}
    problems = 0
    async for done in results:
        act = "not replayed" if done.act is None else str(done.act)
        counts[act] = counts.get(act, 0) + 1
        problems += done.problem is not None
        if as_lines:
            _print_json(done_as_json(done))
        elif done.problem is not None or would:
            say(f"{done.letter.position}: {act}{f', {done.problem}' if done.problem else ''}")
        if stop_on_error and done.problem is not None:
            break
    summary = ", ".join(f"{number:,} {act}" for act, number in counts.items()) or "nothing to do"
    more = f"; {left:,} more are open, raise `--max` or run it again" if left else ""
    say(f"{'would be: ' if would and counts else ''}{summary}{more}")
    return _PROBLEMS if problems else 0


async def _rehearsed(letters: list[Letter], settings: KafkaSettings) -> AsyncIterator[Done]:
    for letter in letters:
        try:
            check_replayable(letter.content, settings)
        except NotReplayableError as error:
            yield Done(letter, None, problem=str(error))
        else:
            yield Done(letter, DeadLetterAction.REPLAYED)


async def _each(results: list[Done]) -> AsyncIterator[Done]:
    for result in results:
        yield result


def _filter(
    error_class: ErrorClass | None,
    consumer: str | None,
    topic: str | None,
    since: str | None,
    until: str | None,
) -> Filter:
    now = datetime.now(UTC)
    try:
        return Filter(
            error_class=error_class,
            consumer=consumer,
            topic=topic,
            since=None if since is None else parse_time(since, now),
            until=None if until is None else parse_time(until, now),
        )
    except ValueError as error:
        fail(str(error))


def _positions(texts: list[str]) -> list[LetterPosition]:
    try:
        return [LetterPosition.parse(text) for text in texts]
    except ValueError as error:
        fail(str(error))


def _choice(letters: list[str] | None, wanted: Filter, *, everything: bool) -> list[LetterPosition]:
    if letters and (everything or not wanted.is_empty):
        fail("name letters or give a filter, not both")
    if not letters and wanted.is_empty and not everything:
        fail("name letters or give a filter; `--everything` means all that are open")
    return _positions(letters or [])


def _author(given: str | None) -> str:
    try:
        name = given if given is not None else getpass.getuser()
    except (OSError, KeyError):  # no such user, as in some containers
        name = ""
    name = printable(name.strip(), 200)
    if not name:
        fail("the current user is unknown; name one with `--author`")
    return name


def _warn_of_unreadable(reader: DeadLetterReader) -> None:
    if reader.unreadable:
        records = counted(reader.unreadable, "record")
        say(f"{records} of `{reader.topic}` are not dead letters and were skipped")


def _print_json(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
