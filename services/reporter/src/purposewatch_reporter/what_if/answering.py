"""Answers what another policy would have decided, off the event loop and within bounds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from purposewatch_policy import CompiledPolicy, PolicySet
from purposewatch_policy.files import Draft, NamedText, read_draft, version_texts
from purposewatch_policy.lint import Finding, lint_draft
from purposewatch_reporter.flows.flow import Amount
from purposewatch_reporter.flows.outlines import read_outlines
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.what_if.effects import WhatIf, WhatIfComparison

POLICY_NAME = "policy.yaml"
"""By which the faults of a text without a name of its own are located."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class WhatIfRefusedError(Exception):
    """The question can't be answered; the message says what to do."""


class UnknownVersionError(WhatIfRefusedError):
    """There is no such version."""


class PolicyTooLargeError(WhatIfRefusedError):
    """The text is larger than what is accepted."""


class TooBusyError(WhatIfRefusedError):
    """Other questions took all of the time, or this one needs more."""


@dataclass(frozen=True, slots=True)
class WhatIfLimits:
    """What questions may cost."""

    at_once: int
    seconds: float
    policy_bytes: int


@dataclass(frozen=True, slots=True)
class Question:
    """Which policy, about which time."""

    texts: Sequence[NamedText] = ()
    """The policy; without any, it is a declared version."""
    controller: str | None = None
    version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    flows: Collection[bytes] = ()
    """The flows to list in any case, by id."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policy would have decided, and what `policy lint` finds in it."""

    what_if: WhatIf
    draft: Draft
    findings: tuple[Finding, ...]
    since: datetime | None
    """The beginning of the hour that was asked for: counts are kept by the hour."""
    until: datetime | None
    policies: PolicySet
    """The policy alone."""


class WhatIfService:
    """Answers questions one after the other, each within a time.

    Reading a policy and deciding flows run in threads of their own; a thread that a question has
    left behind keeps later ones waiting instead of the event loop.
    """

    def __init__(
        self,
        database: Transactions,
        current: Callable[[], PolicySet],
        policies_dir: Path,
        limits: WhatIfLimits,
    ) -> None:
        self.limits = limits
        self._database = database
        self._current = current
        self.policies_dir = policies_dir
        self._slots = asyncio.Semaphore(limits.at_once)
        self._threads = ThreadPoolExecutor(limits.at_once, thread_name_prefix="what-if")

    async def answer(self, asked: Question) -> Answer:
        """Raises `InvalidSourceError` for a faulty policy, and `WhatIfRefusedError`."""
        size = sum(len(each.text.encode(errors="replace")) for each in asked.texts)
        if size > self.limits.policy_bytes:
            message = (
                f"the policy has {size:,} bytes, more than the {self.limits.policy_bytes:,} that "
                "are accepted; leave out what does not matter, or raise "
                "PURPOSEWATCH_REPORTER_MAX_POLICY_BYTES"
            )
            raise PolicyTooLargeError(message)
        async with self.turn():
            return await self._answer(asked)

    async def try_candidate(self, candidate: CompiledPolicy, since: datetime | None) -> WhatIf:
        """What a policy that is read already would have decided. Raises `TooBusyError`."""
        async with self.turn():
            return await self._compare(candidate, whole_hour(since), None)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for what was asked before. Raises `TooBusyError` when the time is over."""
        try:
            async with asyncio.timeout(self.limits.seconds), self._slots:
                yield
        except TimeoutError:
            message = (
                f"there is no answer within {self.limits.seconds:g} s; try again when less is "
                "asked, ask about a shorter time, or raise PURPOSEWATCH_REPORTER_WHAT_IF_SECONDS"
            )
            raise TooBusyError(message) from None

    async def _answer(self, asked: Question) -> Answer:
        draft, findings, policies = await self._in_thread(self._read, asked, self._current())
        since, until = whole_hour(asked.since), whole_hour(asked.until)
        what_if = await self._compare(draft.compiled, since, until, asked.flows)
        return Answer(what_if, draft, findings, since, until, policies)

    async def _compare(
        self,
        candidate: CompiledPolicy,
        since: datetime | None,
        until: datetime | None,
        wanted: Collection[bytes] = (),
    ) -> WhatIf:
        controller = candidate.policy.controller
        before = self._current().versions(controller)
        comparison = WhatIfComparison(candidate, before, wanted=wanted)
        async with self._database.reading() as connection:
            found = read_outlines(
                connection, Amount, controller=controller, since=since, until=until
            )
            async for outlines in found:
                await self._in_thread(comparison.add, outlines)
        return await self._in_thread(comparison.answer)

    def _read(
        self, asked: Question, current: PolicySet
    ) -> tuple[Draft, tuple[Finding, ...], PolicySet]:
        texts = asked.texts or self._texts_of(asked)
        draft = read_draft(texts, current, asked.controller)
        policy, vocabulary = draft.compiled.policy, draft.compiled.vocabulary
        return draft, lint_draft(draft), PolicySet({policy.controller: vocabulary}, [policy])

    def _texts_of(self, asked: Question) -> Sequence[NamedText]:
        if asked.controller is None or asked.version is None:
            message = "give the text of a policy, or the controller and version of a declared one"
            raise UnknownVersionError(message)
        texts = version_texts(self.policies_dir, asked.controller, asked.version)
        if not texts:
            message = f"`{asked.controller}` has no declared version `{asked.version}`"
            raise UnknownVersionError(message)
        return texts

    async def _in_thread(
        self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))


def whole_hour(time: datetime | None) -> datetime | None:
    """Return the beginning of the hour: counts are kept by the hour."""
    return None if time is None else time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
