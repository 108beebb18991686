"""All policies that decisions are made by: every version of every controller."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.model import Policy
from purposewatch_policy.vocabulary import Vocabulary


class PolicySet:
    """Compiled policies by controller. Immutable; a changed policy makes a new set.

    INVARIANT: at any time, at most one version of a controller's policy is in force.
    """

    __slots__ = ("_versions", "vocabularies")

    def __init__(self, vocabularies: Mapping[str, Vocabulary], policies: Iterable[Policy]) -> None:
        """Compile policies. Raises `ValueError` when versions overlap."""
        self.vocabularies: Mapping[str, Vocabulary] = MappingProxyType(dict(vocabularies))
        """Each controller's effective vocabulary."""
        versions: dict[str, list[CompiledPolicy]] = {controller: [] for controller in vocabularies}
        for policy in policies:
            versions[policy.controller].append(
                CompiledPolicy(policy, vocabularies[policy.controller])
            )
        self._versions = {
            controller: tuple(sorted(compiled, key=lambda each: each.begins))
            for controller, compiled in versions.items()
        }
        for controller, compiled in self._versions.items():
            for earlier, later in pairwise(compiled):
                if earlier.until is None or earlier.until > later.begins:
                    message = f"versions of `{controller}` overlap; end one before the next begins"
                    raise ValueError(message)

    @property
    def controllers(self) -> tuple[str, ...]:
        """Names of all controllers, in alphabetical order."""
        return tuple(sorted(self._versions))

    def versions(self, controller: str) -> tuple[CompiledPolicy, ...]:
        """Return a controller's versions in the order of their time. Raises `KeyError`."""
        return self._versions[controller]

    def version(self, controller: str, version: str) -> CompiledPolicy:
        """Return one version by its name. Raises `KeyError`."""
        for compiled in self._versions[controller]:
            if compiled.policy.version == version:
                return compiled
        raise KeyError(version)

    def in_force(self, controller: str, at: datetime) -> CompiledPolicy | None:
        """Return the version that is in force at a time (with zone). Raises `KeyError`."""
        for compiled in reversed(self._versions[controller]):
            if compiled.begins <= at:
                return compiled if compiled.until is None or at < compiled.until else None
        return None
