"""One version of a policy together with the places where everything of it stands."""

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
    """What the rules look at."""

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
        """Where a field of the policy stands; its beginning if it is left out."""
        return _place(self.root, name)

    def statement(self, index: int, name: str = "") -> Location:
        """Where a statement, or one of its fields, stands."""
        statements = self.root.entries["statements"]
        node = statements.items[index] if isinstance(statements, ListNode) else statements
        return _place(node, name)

    def statement_id(self, statement_id: str, name: str = "") -> Location:
        """Where the statement with an id, or one of its fields, stands."""
        ids = [statement.id for statement in self.policy.statements]
        return self.statement(ids.index(statement_id), name)

    def defined_term(self, name: str) -> Location:
        """Where a defined term stands."""
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
    """Read the places of a policy from the file that it was loaded from.

    Raises `InvalidSourceError` when the file was spoilt in the meantime.
    """
    errors: list[SourceError] = []
    root = read_mapping(Path(path), errors)
    if root is None:
        raise InvalidSourceError(errors)
    return Subject(compiled, root)


def _place(node: Node, name: str) -> Location:
    value = node.entries.get(name) if isinstance(node, MappingNode) else None
    return node.at if value is None else value.at
