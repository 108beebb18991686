"""Policies in shadow mode: versions and statements that are tried beside what decides events.

Nothing here decides an event. A candidate is compiled as it will be once it is live, so that its
decisions and its digest are those of the policy after it went live.
"""

from dataclasses import dataclass, replace

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.model import Mode, Policy
from purposewatch_policy.vocabulary import Vocabulary

SHADOW_SUFFIX = "+shadow"
"""Follows the name of a version where its statements in shadow mode are meant as well."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy in shadow mode, as it will be once it is live."""

    name: str
    """The version's name; where only statements are in shadow mode, with `SHADOW_SUFFIX`."""
    compiled: CompiledPolicy
    beside: str | None
    """The version whose place it takes: the one that it replaces, or whose statements are tried."""
    statements: tuple[str, ...] = ()
    """The ids of the statements in shadow mode; none where the whole version is."""


def is_tried(policy: Policy) -> bool:
    """Whether a version, or a statement of it, is in shadow mode."""
    return policy.mode is Mode.SHADOW or bool(policy.shadow_statements)


def with_shadow_statements(policy: Policy) -> Policy:
    """Return the policy with its statements in shadow mode among the others, in file order."""
    statements = [*policy.statements]
    for position, statement in sorted(policy.shadow_statements.items()):
        statements.insert(position, statement)
    return replace(policy, statements=tuple(statements), shadow_statements={})


def compile_candidate(policy: Policy, vocabulary: Vocabulary) -> Candidate:
    """Compile a version of which something is in shadow mode."""
    compiled = CompiledPolicy(with_shadow_statements(policy), vocabulary)
    if policy.mode is Mode.SHADOW:
        return Candidate(policy.version, compiled, policy.replaces)
    tried = tuple(each.id for _, each in sorted(policy.shadow_statements.items()))
    return Candidate(f"{policy.version}{SHADOW_SUFFIX}", compiled, policy.version, tried)
