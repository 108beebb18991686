"""Defined terms: groups of data categories that a policy names once, possibly by other groups."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from purposewatch_policy.model import DefinedTerm
from purposewatch_policy.yaml_reader import ScalarNode, SourceError, did_you_mean


@dataclass(frozen=True, slots=True)
class DefinedTermDraft:
    """A defined term whose nested terms are not resolved yet."""

    own: tuple[str, ...]
    nested: tuple[ScalarNode, ...]
    label: dict[str, str]
    note: str


def expand_defined_terms(
    drafts: Mapping[str, DefinedTermDraft], errors: list[SourceError]
) -> dict[str, DefinedTerm]:
    """Resolve the defined terms that each one names; a cycle is a fault."""
    expansion = _Expansion(drafts, errors)
    return {
        name: DefinedTerm(name, expansion.expand(name), draft.label, draft.note)
        for name, draft in drafts.items()
    }


class _Expansion:
    def __init__(self, drafts: Mapping[str, DefinedTermDraft], errors: list[SourceError]) -> None:
        self._drafts = drafts
        self._errors = errors
        self._path: list[str] = []
        self._done: dict[str, tuple[str, ...]] = {}

    def expand(self, name: str) -> tuple[str, ...]:
        if name in self._done:
            return self._done[name]
        self._path.append(name)
        draft = self._drafts[name]
        groups = [draft.own]
        for node in draft.nested:
            if node.text not in self._drafts:
                self._errors.append(unknown_defined_term(node, self._drafts))
            elif node.text in self._path:
                circle = [*self._path[self._path.index(node.text) :], node.text]
                path = " -> ".join(f"`{each}`" for each in circle)
                message = f"defined terms form a cycle ({path}); remove one of these steps"
                self._errors.append(node.at.error(message))
            else:
                groups.append(self.expand(node.text))
        self._path.pop()
        self._done[name] = distinct(*groups)
        return self._done[name]


def unknown_defined_term(node: ScalarNode, known: Iterable[str]) -> SourceError:
    """Make the error about a defined term that the policy does not have."""
    hint = did_you_mean(node.text, known) or "; declare it in `defined_terms`"
    return node.at.error(f"unknown defined term `{node.text}`{hint}")


def distinct(*groups: Iterable[str]) -> tuple[str, ...]:
    """Return the terms of all groups, each once, in order."""
    return tuple(dict.fromkeys(term for group in groups for term in group))
