"""Loads directories of policies: every version of every controller, or every fault of them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from purposewatch_policy.files.policy_file import PolicyFile, read_policy
from purposewatch_policy.model import Mode
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.version_paths import version_paths
from purposewatch_policy.vocabulary import (
    COMMON,
    Vocabulary,
    find_controllers,
    read_vocabularies,
)
from purposewatch_policy.yaml_reader import InvalidSourceError, Location, SourceError


@dataclass(frozen=True, slots=True)
class LoadedController:
    """One controller whose policy has no faults."""

    name: str
    home: Path
    policies: PolicySet
    """Of this controller alone."""
    files: Mapping[str, PolicyFile]
    """Every version, also those in shadow mode, by name in the order of their time."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The controllers under a path, and the faults of those that cannot be loaded."""

    controllers: tuple[LoadedController, ...]
    errors: tuple[SourceError, ...]
    """Every fault in the part that was asked for, in reading order."""


def load_policies(policies_dir: Path) -> PolicySet:
    """Return the compiled policies of a directory.

    Raises `InvalidSourceError` with every fault of the vocabularies or, once they are in order,
    with every fault of every policy file.
    """
    errors: list[SourceError] = []
    vocabularies = read_vocabularies(policies_dir, errors)
    if errors:  # a faulty vocabulary would cause further errors in the policies
        raise InvalidSourceError(errors)
    files = [
        file
        for controller, home in find_controllers(policies_dir, []).items()
        for file in _read_versions(home, controller, vocabularies[controller], errors)
    ]
    if errors:
        raise InvalidSourceError(errors)
    return PolicySet(vocabularies, (file.policy for file in files))


def load_tree(path: Path) -> Tree:
    """Load a tree of policies, or one controller's directory with the common vocabulary.

    When only one controller is named, the faults of others are not reported.
    """
    if not path.is_dir():
        message = "is not a directory; name the policies' directory, or one controller's"
        return Tree((), (Location(str(path)).error(message),))
    tree, only = path, ""
    if version_paths(path):
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
    files = _read_versions(home, name, vocabulary, faults)
    if faults:
        errors.extend(faults)
        return None
    policies = PolicySet({name: vocabulary}, (file.policy for file in files))
    return LoadedController(name, home, policies, {each.policy.version: each for each in files})


def _concerning(errors: list[SourceError], *places: Path) -> list[SourceError]:
    return [
        error for error in errors if any(Path(error.path).is_relative_to(each) for each in places)
    ]


def _read_versions(
    home: Path, controller: str, vocabulary: Vocabulary, errors: list[SourceError]
) -> list[PolicyFile]:
    """Read every version of one controller's policy, in the order of their time.

    A live version that replaces another ends it. Adds faults to `errors`, including overlapping
    live versions. The result may be used only if none was added.
    """
    found = (read_policy(path, controller, vocabulary, errors) for path in version_paths(home))
    files = sorted(
        (file for file in found if file is not None), key=lambda file: file.policy.in_force_from
    )
    named: dict[str, PolicyFile] = {}
    for file in files:
        version = file.policy.version
        first = named.setdefault(version, file)
        if first is not file:
            message = f"version `{version}` is also {first.version_at}; give one another `version`"
            errors.append(file.version_at.error(message))
    files = _with_replaced_ended(files, named, errors)
    live = [file for file in files if file.policy.mode is Mode.LIVE]
    if files and not live:
        message = f"no version of `{controller}` is live; remove `mode: shadow` from one"
        errors.append(files[0].version_at.error(message))
    for earlier, later in pairwise(live):
        until = earlier.policy.in_force_until
        if until is None or until > later.policy.in_force_from:
            begins = later.policy.in_force_from.isoformat()
            message = (
                f"version `{earlier.policy.version}` ({earlier.version_at.path}) is still in force "
                f"then; set its `in_force_until` to `{begins}` or earlier"
            )
            errors.append(later.in_force_from_at.error(message))
    return files


def _with_replaced_ended(
    files: list[PolicyFile], named: Mapping[str, PolicyFile], errors: list[SourceError]
) -> list[PolicyFile]:
    """Return the versions, each ended when a live one that replaces it begins.

    What is in shadow mode ends nothing, but has to name a version that it can replace.
    """
    ended: dict[str, PolicyFile] = {}
    for file in files:
        replaces, begins = file.policy.replaces, file.policy.in_force_from
        if replaces is None:
            continue
        replaced = named.get(replaces)
        message = _unreplaceable(replaces, file, replaced, ended)
        if replaced is None or message:
            errors.append(file.replaces_at.error(message))
        elif file.policy.mode is Mode.LIVE:
            policy = replace(replaced.policy, in_force_until=begins)
            ended[replaces] = replace(replaced, policy=policy)
    return [ended.get(file.policy.version, file) for file in files]


def _unreplaceable(
    name: str, by: PolicyFile, replaced: PolicyFile | None, ended: Mapping[str, PolicyFile]
) -> str:
    """Say why a version can't be replaced by another, or nothing."""
    if replaced is None or replaced.policy.mode is Mode.SHADOW:
        return f"`replaces` is `{name}`, which is not a live version; name the one to end"
    if replaced.policy.in_force_from >= by.policy.in_force_from:
        return f"version `{name}` does not begin before this one; correct `replaces`"
    if replaced.policy.in_force_until not in {None, by.policy.in_force_from}:
        return (
            f"version `{name}` ends at another time than this one begins; remove its "
            "`in_force_until`, or `replaces`"
        )
    if name in ended and by.policy.mode is Mode.LIVE:
        return f"version `{name}` is already replaced by another; keep one of the two `replaces`"
    return ""
