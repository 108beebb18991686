"""All policies that decisions are made by: every version of every controller."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.model import Mode, Policy
from purposewatch_policy.shadow import SHADOW_SUFFIX, Candidate, compile_candidate, is_tried
from purposewatch_policy.vocabulary import Vocabulary


class PolicySet:
    """Compiled policies by controller. Immutable; a changed policy makes a new set.

    INVARIANT: at any time, at most one version of a controller's policy is in force. What is in
    shadow mode never is: see `shadows`.
    """

    __slots__ = ("_candidates", "_tried", "_versions", "vocabularies")

    def __init__(self, vocabularies: Mapping[str, Vocabulary], policies: Iterable[Policy]) -> None:
        """Compile what is live. Raises `ValueError` when live versions overlap."""
        self.vocabularies: Mapping[str, Vocabulary] = MappingProxyType(dict(vocabularies))
        """Each controller's effective vocabulary."""
        versions: dict[str, list[CompiledPolicy]] = {controller: [] for controller in vocabularies}
        self._tried: dict[str, list[Policy]] = {controller: [] for controller in vocabularies}
        self._candidates: dict[str, tuple[Candidate, ...]] = {}
        for policy in policies:
            if is_tried(policy):
                self._tried[policy.controller].append(policy)
            if policy.mode is Mode.LIVE:
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
        """Return a controller's live versions in the order of their time. Raises `KeyError`."""
        return self._versions[controller]

    def shadows(self, controller: str) -> tuple[Candidate, ...]:
        """Return what of a controller is in shadow mode, by name. Raises `KeyError`.

        Compiled when first asked for: who only decides events never pays for it.
        """
        if controller not in self._candidates:
            vocabulary = self.vocabularies[controller]
            found = [compile_candidate(each, vocabulary) for each in self._tried[controller]]
            self._candidates[controller] = tuple(sorted(found, key=lambda each: each.name))
        return self._candidates[controller]

    def version(self, controller: str, version: str) -> CompiledPolicy:
        """Return one live version by its name. Raises `KeyError`."""
        for compiled in self._versions[controller]:
            if compiled.policy.version == version:
                return compiled
        raise KeyError(version)

    def by_name(self, controller: str, name: str) -> CompiledPolicy:
        """Return a live version, or what is in shadow mode, by its name. Raises `KeyError`.

        The name with `+shadow` is the live version once none of its statements is in shadow mode.
        """
        for candidate in self.shadows(controller):
            if candidate.name == name:
                return candidate.compiled
        return self.version(controller, name.removesuffix(SHADOW_SUFFIX))

    def in_force(self, controller: str, at: datetime) -> CompiledPolicy | None:
        """Return the version that is in force at a time (with zone). Raises `KeyError`."""
        for compiled in reversed(self._versions[controller]):
            if compiled.begins <= at:
                return compiled if compiled.until is None or at < compiled.until else None
        return None
