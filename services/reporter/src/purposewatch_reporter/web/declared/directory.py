"""Keeps what a page shows of the policies' directory up to date."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from purposewatch_policy.vocabulary import read_vocabularies
from purposewatch_reporter.web.declared.labels import Labels
from purposewatch_reporter.web.declared.policies import DeclaredPolicy, read_declared
from purposewatch_runtime.service import fingerprint


@dataclass(frozen=True, slots=True)
class Declared:
    """The policies and the labels of their terms at one moment."""

    policies: tuple[DeclaredPolicy, ...] = ()
    labels: Labels = field(default_factory=lambda: Labels({}))

    def policy(self, controller: str, version: str | None) -> DeclaredPolicy | None:
        """The policy of that controller and version."""
        return next(
            (
                each
                for each in self.policies
                if (each.controller, each.version) == (controller, version)
            ),
            None,
        )


class DeclaredDirectory:
    """What was last read; a page without policies still works, with bare terms."""

    def __init__(self, policies_dir: Path) -> None:
        self._directory = policies_dir
        self._fingerprint: str | None = None
        self.current = Declared()

    async def refresh(self) -> None:
        """Read the files again if they have changed."""
        await asyncio.to_thread(self.read)

    def read(self) -> None:
        """Read the files again if they have changed, at once."""
        if not self._directory.is_dir():
            return
        seen = fingerprint(self._directory)
        if seen == self._fingerprint:
            return
        labels = Labels(read_vocabularies(self._directory, []))
        self.current = Declared(read_declared(self._directory), labels)
        self._fingerprint = seen
