"""The names in the register of publishers.

Ingest reads the rest of the register, and reports what is wrong in it.
"""

from pathlib import Path

from purposewatch_policy import InvalidSourceError
from purposewatch_policy.yaml_reader import Fields, SourceError, read_mapping


def load_publisher_names(path: Path) -> frozenset[str]:
    """The names of all registered publishers. Raises `InvalidSourceError` for a faulty file."""
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    names: frozenset[str] = frozenset()
    if root is not None:
        publishers = Fields(root, ("publishers",), "the register", errors).mapping(
            "publishers", required=True
        )
        names = frozenset(publishers.entries if publishers else ())
    if errors:
        raise InvalidSourceError(errors)
    return names
