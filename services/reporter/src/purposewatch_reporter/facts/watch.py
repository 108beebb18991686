"""Shows in the metrics that no statement of a fact has come late."""

from collections.abc import Mapping
from typing import Protocol

from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_runtime import metrics as m


class Declared(Protocol):
    """Knows the current vocabularies: see `VocabularySeverity`."""

    @property
    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """By controller."""


class FactWatch:
    """Exports a count of late statements for each fact: one that begins above 0 has no increase."""

    def __init__(self, declared: Declared, metric_set: m.MetricSet) -> None:
        self._declared = declared
        self._metrics = metric_set

    async def refresh(self) -> None:
        """Begin the counts of facts that are new in the vocabularies."""
        self._metrics.start_at_zero(
            m.LATE_FACTS,
            [
                (controller, fact)
                for controller, vocabulary in sorted(self._declared.vocabularies.items())
                for fact in sorted(vocabulary.facts)
            ],
        )
