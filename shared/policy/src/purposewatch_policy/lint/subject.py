"""One version of a policy, with the location of each of its parts in the file."""

from dataclasses import dataclass
from pathlib import Path

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.model import Policy
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
    """The file that the policy was read from."""

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
        statements = self.root.entries["statements"]
        node = statements.items[index] if isinstance(statements, ListNode) else statements
        return _place(node, name)

    def statement_id(self, statement_id: str, name: str = "") -> Location:
        """The location of the statement with this id, or of one of its fields."""
        ids = [statement.id for statement in self.policy.statements]
        return self.statement(ids.index(statement_id), name)

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
    """Read the locations in a policy from the file that it was loaded from.

    Raises `InvalidSourceError` when the file has become unreadable since.
    """
    errors: list[SourceError] = []
    root = read_mapping(Path(path), errors)
    if root is None:
        raise InvalidSourceError(errors)
    return Subject(compiled, root)


def _place(node: Node, name: str) -> Location:
    value = node.entries.get(name) if isinstance(node, MappingNode) else None
    return node.at if value is None else value.at
