"""What another policy would change, as the page shows it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from purposewatch_policy import CategoryDecision, PolicySet, decision_sentence
from purposewatch_reporter.findings.silences import Silence
from purposewatch_reporter.shadow.excepted import excepted
from purposewatch_reporter.web.request_context import RequestContext
from purposewatch_reporter.what_if.details import read_all_effects
from purposewatch_reporter.what_if.effects import Change, Effect, EffectSummary, WhatIf
from purposewatch_reporter.what_if.known_facts import decide_as_recorded
from purposewatch_reporter.what_if.subjects import count_subjects

SHOWN_OF_EACH = 50
"""So many effects of each kind."""


class Span(StrEnum):
    """The time whose events are asked about."""

    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    YEAR = "365d"
    ALL = "all"

    def since(self, now: datetime) -> datetime | None:
        """When it begins."""
        return None if self is Span.ALL else now - timedelta(days=int(self.rstrip("d")))


class ShownRow(NamedTuple):
    """An effect with what the table shows beside it."""

    effect: Effect
    subjects: int | None
    reasons: tuple[tuple[CategoryDecision, str], ...]
    """Each data category as it would be decided, with the sentence in the reader's language."""
    exceptions: tuple[Silence, ...]
    """The silences that would cover it."""
    is_excepted: bool
    """Whether nothing of it would alert."""

    @property
    def excepted_until(self) -> list[tuple[str, datetime]]:
        """Who answers for the exceptions, until when; each once, whatever the data categories."""
        return list(dict.fromkeys((e.owner or e.author, e.expires_time) for e in self.exceptions))


async def rows_of(  # noqa: PLR0913 - an answer, and how it is shown
    context: RequestContext,
    what_if: WhatIf,
    policies: PolicySet,
    *,
    since: datetime | None,
    until: datetime | None,
    silences: Sequence[Silence] = (),
) -> list[ShownRow]:
    """The most frequent effects of each kind. `policies` has the candidate alone, as live."""
    database = context.app.database
    most = list(_most(what_if.effects))
    shown = await read_all_effects(database, what_if, most, since=since, until=until)
    async with database.reading() as connection:
        subjects = await count_subjects(connection, shown, since=since, until=until)
    return [
        ShownRow(
            effect,
            amount,
            _reasons(effect, what_if, policies, context.texts.language),
            *excepted(effect, silences),
        )
        for effect, amount in zip(shown, subjects, strict=True)
    ]


def by_change(rows: Sequence[ShownRow]) -> dict[Change, list[ShownRow]]:
    """The same, by what becomes of them."""
    return {change: [row for row in rows if row.effect.change is change] for change in Change}


def _most(effects: Sequence[EffectSummary]) -> Iterator[EffectSummary]:
    shown = dict.fromkeys(Change, 0)
    for effect in effects:
        shown[effect.change] += 1
        if shown[effect.change] <= SHOWN_OF_EACH:
            yield effect


def _reasons(
    effect: Effect, what_if: WhatIf, policies: PolicySet, language: str
) -> tuple[tuple[CategoryDecision, str], ...]:
    """Why each data category would be decided so; nothing where that is not known."""
    if effect.after is None:
        return ()
    flow, compiled = effect.flow, what_if.candidate
    decision, _ = decide_as_recorded(flow.terms, compiled, flow.ledger)
    return tuple(
        (
            each,
            decision_sentence(language, each, flow.terms, compiled.begins, policies, flow.ledger),
        )
        for each in decision.categories
    )
