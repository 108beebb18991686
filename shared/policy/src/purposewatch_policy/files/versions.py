"""Reads the version of a policy that a user names: a file, or a directory with `@VERSION`.

With `+shadow` at the end, it is read as it will be once its statements in shadow mode are live.
"""

from pathlib import Path

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.files.directory import load_policies
from purposewatch_policy.files.draft import NamedText, read_texts, version_texts
from purposewatch_policy.files.policy_file import read_policy
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.shadow import SHADOW_SUFFIX, compile_candidate, is_tried
from purposewatch_policy.version_paths import is_version_directory, part_paths, version_paths
from purposewatch_policy.vocabulary import COMMON, read_vocabularies
from purposewatch_policy.yaml_reader import (
    InvalidSourceError,
    Location,
    ScalarNode,
    SourceError,
    read_mapping,
)


class UnusableVersionError(Exception):
    """A version cannot be read. Each line of the message says what to do."""


def read_two_versions(
    old: str, new: str, policies: Path, controller: str | None
) -> tuple[CompiledPolicy, CompiledPolicy]:
    """Read two versions of one controller's policy. Raises `UnusableVersionError`."""
    before, after = (read_version(named, policies, controller) for named in (old, new))
    whose, other = before.policy.controller, after.policy.controller
    if whose != other:
        message = f"`{whose}` is not `{other}`; name two versions of one controller's policy"
        raise UnusableVersionError(message)
    return before, after


def read_version(named: str, policies: Path, controller: str | None) -> CompiledPolicy:
    """Read the version that the user named: a file, or a directory, optionally with `@VERSION`.

    A file is read with the vocabulary of its own tree, or else of the tree `policies`. Of a
    directory, the latest live version is read unless one is named, which may be in shadow mode.
    Raises `UnusableVersionError`.
    """
    place, version, tried = _parsed(named)
    try:
        if place.is_file() or is_version_directory(place):
            if version:
                message = f"`{place}` is one version; leave out `@{version}`"
                raise UnusableVersionError(message)
            return _read_file(place, policies, tried=tried)
        if not place.is_dir():
            message = f"`{place}` does not exist; name a policy file or a directory of policies"
            raise UnusableVersionError(message)
        if version_paths(place):
            home = place.resolve()
            return _chosen(load_policies(home.parent), home.name, version, tried=tried)
        return _chosen(load_policies(place), controller, version, tried=tried)
    except InvalidSourceError as error:
        raise UnusableVersionError(str(error)) from error


def version_texts_of(named: str, compiled: CompiledPolicy) -> tuple[NamedText, ...]:
    """Return the texts of a version that `read_version` returned, as `read_draft` takes them.

    None if it can't be read any more.
    """
    place, _, _ = _parsed(named)
    if place.is_file() or is_version_directory(place):
        return read_texts(part_paths(place), place.parent)
    tree = place.resolve().parent if version_paths(place) else place
    return version_texts(tree, compiled.policy.controller, compiled.policy.version)


def _parsed(named: str) -> tuple[Path, str, bool]:
    """Return the path, the version if one is named, and whether what is in shadow mode counts."""
    tried = named.endswith(SHADOW_SUFFIX) and not Path(named).exists()
    if tried:
        named = named.removesuffix(SHADOW_SUFFIX)
    path, _, version = named.rpartition("@")
    if not path or Path(named).exists():
        path, version = named, ""
    return Path(path), version, tried


def _chosen(
    policies: PolicySet, controller: str | None, version: str, *, tried: bool
) -> CompiledPolicy:
    if controller is None and len(policies.controllers) == 1:
        [controller] = policies.controllers
    if controller not in policies.controllers:
        wrong = f"no controller `{controller}`; " if controller else ""
        message = f"{wrong}choose one with `--controller`: `{'`, `'.join(policies.controllers)}`"
        raise UnusableVersionError(message)
    live = {each.policy.version: each for each in policies.versions(controller)}
    wanted = version or [*live][-1]
    known = {**live, **{each.name: each.compiled for each in policies.shadows(controller)}}
    if tried:
        if wanted in live and f"{wanted}{SHADOW_SUFFIX}" not in known:
            raise UnusableVersionError(_nothing_tried(wanted))
        wanted += SHADOW_SUFFIX
    if wanted in known:
        return known[wanted]
    message = f"`{controller}` has no version `{wanted}`; name one of `{'`, `'.join(known)}`"
    raise UnusableVersionError(message)


def _nothing_tried(named: str) -> str:
    return f"no statement of `{named}` is in shadow mode; leave out `{SHADOW_SUFFIX}`"


def _read_file(path: Path, policies: Path, *, tried: bool) -> CompiledPolicy:
    """Read a file by itself: a draft may overlap the version that it will replace."""
    errors: list[SourceError] = []
    controller = _controller_of(path, errors)
    home = path.resolve().parent
    in_tree = home.name == controller and (
        (home.parent / COMMON).is_dir() or (home / "vocabulary.yaml").exists()
    )
    tree = home.parent if in_tree else policies
    vocabularies = read_vocabularies(tree, errors)
    if not errors and controller not in vocabularies:
        message = f"`{tree}` has no vocabulary for `{controller}`; name its tree with `--policies`"
        errors.append(Location(str(path)).error(message))
    if errors:
        raise InvalidSourceError(errors)
    file = read_policy(path, controller, vocabularies[controller], errors)
    if errors or file is None:
        raise InvalidSourceError(errors)
    if not tried:
        return CompiledPolicy(file.policy, vocabularies[controller])
    if not is_tried(file.policy):
        raise UnusableVersionError(_nothing_tried(str(path)))
    return compile_candidate(file.policy, vocabularies[controller]).compiled


def _controller_of(path: Path, errors: list[SourceError]) -> str:
    root = read_mapping(part_paths(path)[0], errors)
    stated = root.entries.get("controller") if root else None
    if not isinstance(stated, ScalarNode):
        if root:
            errors.append(Location(str(path)).error("a policy lacks `controller`; add it"))
        raise InvalidSourceError(errors)
    return stated.text
