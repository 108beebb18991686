"""The rules in use, and which of them count a flow."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import BoundedCache, InvalidSourceError
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_reporter.counting.rule import CountingRule, Hierarchy
from purposewatch_reporter.counting.rules_file import load_rules
from purposewatch_runtime.service import FatalError, FileReloader

_CACHED_FLOWS = 100_000


class ActiveRules:
    """The rules of the file, reloaded when it changes; none without a file.

    Whether a rule counts a flow is found out once for each decision about it.
    """

    name = "counting rules"

    def __init__(
        self,
        file: Path | None,
        vocabularies: Callable[[], Mapping[str, Vocabulary]],
        *,
        most_subjects: int,
        reload_seconds: float,
        on_result: Callable[[Exception | None], None] = lambda _: None,
    ) -> None:
        """Read the file. Raises `FatalError` with every fault of it."""
        self._vocabularies = vocabularies
        self._reloading: FileReloader[Sequence[CountingRule]] | None = None
        if file is not None:
            try:
                self._reloading = FileReloader(
                    file,
                    lambda path: load_rules(path, vocabularies(), most_subjects=most_subjects),
                    interval=reload_seconds,
                    on_result=on_result,
                    name=self.name,
                )
            except InvalidSourceError as error:
                raise FatalError(str(error)) from None
        self._rules: Sequence[CountingRule] = ()
        self._hierarchy = Hierarchy({})
        self._matching: BoundedCache[object, Sequence[CountingRule]] = BoundedCache(_CACHED_FLOWS)

    @property
    def current(self) -> Sequence[CountingRule]:
        """The rules in use."""
        return () if self._reloading is None else self._reloading.current

    def refresh(self) -> bool:
        """Follow the files' changes; whether there is any rule."""
        rules, vocabularies = self.current, self._vocabularies()
        if rules is not self._rules or vocabularies is not self._hierarchy.vocabularies:
            self._rules, self._hierarchy = rules, Hierarchy(vocabularies)
            self._matching = BoundedCache(_CACHED_FLOWS)
        return bool(rules)

    def counting(self, verdict: DecodedVerdict) -> Sequence[CountingRule]:
        """The rules that count this verdict's event."""
        key = (verdict.publisher, verdict.flow_decision)
        matching = self._matching.get(key)
        if matching is None:
            matching = tuple(filter(partial(self._counts, verdict), self._rules))
            self._matching.put(key, matching)
        return matching

    def _counts(self, verdict: DecodedVerdict, rule: CountingRule) -> bool:
        return (
            (rule.publishers is None or verdict.publisher in rule.publishers)
            and (rule.controllers is None or verdict.data.controller in rule.controllers)
            and rule.pattern.matches(verdict.data, verdict.categories, self._hierarchy)
        )

    async def start(self) -> None:
        """Begin to watch the file."""
        if self._reloading is not None:
            await self._reloading.start()

    async def stop(self) -> None:
        """Stop watching."""
        if self._reloading is not None:
            await self._reloading.stop()
