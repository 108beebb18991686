"""Loads what lies under a path, one controller at a time, so that none suffers from another."""

import os
from dataclasses import dataclass
from pathlib import Path

from purposewatch_policy.files.load import read_versions
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.vocabulary import Vocabulary, find_controllers, read_vocabularies
from purposewatch_policy.vocabulary.load import COMMON
from purposewatch_policy.yaml_reader.source import Location, SourceError


@dataclass(frozen=True, slots=True)
class LoadedController:
    """One controller whose policy has no faults."""

    name: str
    home: Path
    policies: PolicySet
    """Of this controller alone."""
    files: tuple[str, ...]
    """Paths of the versions, in the order of their time."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What was found under a path."""

    controllers: tuple[LoadedController, ...]
    errors: tuple[SourceError, ...]
    """Every fault that concerns what was asked for, in reading order."""


def load_tree(path: Path) -> Tree:
    """Load a tree of policies, or one controller's directory with the common vocabulary.

    Faults of a controller's neighbours are not reported when only that controller is asked for.
    """
    if not path.is_dir():
        message = "is no directory; name the policies' directory, or one controller's"
        return Tree((), (Location(str(path)).error(message),))
    tree, only = path, ""
    if any(path.glob("policy*.yaml")):
        home = Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would leave a symbolic link's tree
        tree, only = Path(os.path.relpath(home.parent)), home.name
    errors: list[SourceError] = []
    vocabularies = read_vocabularies(tree, errors)
    controllers = []
    for name, home in find_controllers(tree, []).items():
        if only in {"", name} and not _concerning(errors, tree / COMMON, home):
            controller = _load(name, home, vocabularies[name], errors)
            if controller is not None:
                controllers.append(controller)
    if only:
        errors = _concerning(errors, tree / COMMON, tree / only)
    return Tree(tuple(controllers), tuple(sorted(set(errors))))


def _load(
    name: str, home: Path, vocabulary: Vocabulary, errors: list[SourceError]
) -> LoadedController | None:
    faults: list[SourceError] = []
    files = read_versions(home, name, vocabulary, faults)
    if faults:
        errors.extend(faults)
        return None
    policies = PolicySet({name: vocabulary}, (file.policy for file in files))
    return LoadedController(name, home, policies, tuple(file.version_at.path for file in files))


def _concerning(errors: list[SourceError], *places: Path) -> list[SourceError]:
    return [
        error for error in errors if any(Path(error.path).is_relative_to(each) for each in places)
    ]
