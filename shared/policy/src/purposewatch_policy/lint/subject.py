"""One version of a policy, with the location of each of its parts in its files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.model import Policy
from purposewatch_policy.version_paths import HEAD, is_version_directory, part_paths
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_policy.yaml_reader import (
    InvalidSourceError,
    ListNode,
    Location,
    MappingNode,
    Node,
    ScalarNode,
    SourceError,
    read_mapping,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the rules check."""

    compiled: CompiledPolicy
    root: MappingNode
    """The file that the policy was read from; of several, the one with everything but the
    statements of the others."""
    statement_nodes: Mapping[str, Node]
    """By the statements' ids."""

    @property
    def policy(self) -> Policy:
        return self.compiled.policy

    @property
    def vocabulary(self) -> Vocabulary:
        return self.compiled.vocabulary

    def field(self, name: str) -> Location:
        """The location of a field of the policy; of the policy if the field is left out."""
        return _place(self.root, name)

    def statement(self, index: int, name: str = "") -> Location:
        """The location of a statement or of one of its fields."""
        return self.statement_id(self.policy.statements[index].id, name)

    def statement_id(self, statement_id: str, name: str = "") -> Location:
        """The location of the statement with this id, or of one of its fields."""
        return _place(self.statement_nodes[statement_id], name)

    def defined_term(self, name: str) -> Location:
        """The location of a defined term."""
        terms = self.root.entries["defined_terms"]
        return terms.key_at[name] if isinstance(terms, MappingNode) else terms.at

    def nested_terms(self, name: str) -> tuple[str, ...]:
        """Return the defined terms that a defined term names."""
        terms = self.root.entries["defined_terms"]
        body = terms.entries[name] if isinstance(terms, MappingNode) else None
        nested = body.entries.get("defined_terms") if isinstance(body, MappingNode) else None
        items = nested.items if isinstance(nested, ListNode) else []
        return tuple(item.text for item in items if isinstance(item, ScalarNode))


def locate(compiled: CompiledPolicy, path: str) -> Subject:
    """Read the locations in a policy from the files that it was loaded from.

    Raises `InvalidSourceError` when one has become unreadable since.
    """
    errors: list[SourceError] = []
    head = Path(path)
    divided = head.name == HEAD and is_version_directory(head.parent)
    roots = [read_mapping(each, errors) for each in part_paths(head.parent if divided else head)]
    if errors:
        raise InvalidSourceError(errors)
    return subject_of(compiled, [each for each in roots if each is not None])


def subject_of(compiled: CompiledPolicy, files: Sequence[MappingNode]) -> Subject:
    """Return a version with the locations in its files, the one with its head first."""
    nodes = {name: node for each in files for name, node in _named(each)}
    return Subject(compiled, files[0], nodes)


def _named(root: MappingNode) -> Iterator[tuple[str, Node]]:
    """Yield the statements of a file with their ids."""
    statements = root.entries.get("statements")
    for node in statements.items if isinstance(statements, ListNode) else ():
        name = node.entries.get("id") if isinstance(node, MappingNode) else None
        if isinstance(name, ScalarNode):
            yield name.text, node


def _place(node: Node, name: str) -> Location:
    value = node.entries.get(name) if isinstance(node, MappingNode) else None
    return node.at if value is None else value.at
