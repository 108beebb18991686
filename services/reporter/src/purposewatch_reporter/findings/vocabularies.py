"""Severities of findings by the vocabularies, which are reloaded when their files change."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from purposewatch_policy import InvalidSourceError
from purposewatch_policy.vocabulary import Vocabulary, load_vocabularies
from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.severity import Severity, severity_table
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service import FatalError, FileReloader

Vocabularies: TypeAlias = Mapping[str, Vocabulary]

_log = get_logger(__name__)


class VocabularySeverity:
    """The severity table over the policy directory; without one, over the terms' names alone."""

    name = "vocabularies"

    def __init__(self, policies_dir: Path, *, reload_seconds: float) -> None:
        """Read the directory. Raises `FatalError` when a vocabulary is faulty."""
        self._reloading: FileReloader[Vocabularies] | None = None
        if policies_dir.is_dir():
            try:
                self._reloading = FileReloader(
                    policies_dir,
                    load_vocabularies,
                    interval=reload_seconds,
                    on_result=lambda _: None,  # the auditor and ingest count it
                )
            except InvalidSourceError as error:
                raise FatalError(str(error)) from None
        else:
            _log.warning(
                "no policy directory; severities do not know which categories are sensitive",
                directory=str(policies_dir),
            )
        self._read: Vocabularies = {}
        self._table = severity_table(self._read)

    def __call__(self, group: Group) -> Severity:
        """The severity of a finding, by the current vocabularies."""
        if self._reloading is not None and self._reloading.current is not self._read:
            self._read = self._reloading.current
            self._table = severity_table(self._read)
        return self._table(group)

    @property
    def vocabularies(self) -> Vocabularies:
        """The current ones; none without a policy directory."""
        return {} if self._reloading is None else self._reloading.current

    async def start(self) -> None:
        """Begin to watch the files."""
        if self._reloading is not None:
            await self._reloading.start()

    async def stop(self) -> None:
        """Stop watching."""
        if self._reloading is not None:
            await self._reloading.stop()
