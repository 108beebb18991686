"""Defined terms: groups that a policy names once, of terms or of other groups."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from purposewatch_policy.decision import DIMENSION_FIELDS, Dimension
from purposewatch_policy.model import DefinedTerm
from purposewatch_policy.yaml_reader import ScalarNode, SourceError, did_you_mean

GROUPED: Mapping[str, Dimension] = {
    DIMENSION_FIELDS[each]: each
    for each in Dimension
    if each not in {Dimension.RETENTION, Dimension.FACTS}
}
"""The dimensions whose terms can be grouped, by the field that names terms."""


@dataclass(frozen=True, slots=True)
class DefinedTermDraft:
    """A defined term whose nested terms are not resolved yet."""

    dimension: Dimension | None
    """Of its own terms; `None` for a group of groups."""
    own: tuple[str, ...]
    nested: tuple[ScalarNode, ...]
    label: dict[str, str]
    note: str


def expand_defined_terms(
    drafts: Mapping[str, DefinedTermDraft], errors: list[SourceError]
) -> dict[str, DefinedTerm]:
    """Resolve the defined terms that each one names.

    A cycle is a fault, and so is a group of several dimensions.
    """
    expansion = _Expansion(drafts, errors)
    return {
        name: DefinedTerm(name, *expansion.expand(name), draft.label, draft.note)
        for name, draft in drafts.items()
    }


class _Expansion:
    def __init__(self, drafts: Mapping[str, DefinedTermDraft], errors: list[SourceError]) -> None:
        self._drafts = drafts
        self._errors = errors
        self._path: list[str] = []
        self._done: dict[str, tuple[Dimension, tuple[str, ...]]] = {}

    def expand(self, name: str) -> tuple[Dimension, tuple[str, ...]]:
        if name in self._done:
            return self._done[name]
        self._path.append(name)
        draft = self._drafts[name]
        groups = [draft.own]
        dimension = draft.dimension
        for node in draft.nested:
            if node.text not in self._drafts:
                self._errors.append(unknown_defined_term(node, self._drafts))
            elif node.text in self._path:
                circle = [*self._path[self._path.index(node.text) :], node.text]
                path = " -> ".join(f"`{each}`" for each in circle)
                message = f"defined terms form a cycle ({path}); remove one of these steps"
                self._errors.append(node.at.error(message))
            else:
                nested, terms = self.expand(node.text)
                dimension = dimension or nested
                if nested is not dimension:
                    message = (
                        f"`{node.text}` names {DIMENSION_FIELDS[nested]}, and `{name}` names "
                        f"{DIMENSION_FIELDS[dimension]}; make a defined term for each"
                    )
                    self._errors.append(node.at.error(message))
                groups.append(terms)
        self._path.pop()
        self._done[name] = (dimension or Dimension.DATA_CATEGORY, distinct(*groups))
        return self._done[name]


def unknown_defined_term(node: ScalarNode, known: Iterable[str]) -> SourceError:
    """Make the error about a defined term that the policy does not have."""
    hint = did_you_mean(node.text, known) or "; declare it in `defined_terms`"
    return node.at.error(f"unknown defined term `{node.text}`{hint}")


def distinct(*groups: Iterable[str]) -> tuple[str, ...]:
    """Return the terms of all groups, each once, in order."""
    return tuple(dict.fromkeys(term for group in groups for term in group))
