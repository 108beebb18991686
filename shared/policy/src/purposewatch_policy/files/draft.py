"""Reads a version that is not in the directory of policies yet: texts that somebody is writing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.files.policy_file import policy_of
from purposewatch_policy.model import Mode
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.shadow import with_shadow_statements
from purposewatch_policy.version_paths import part_paths, version_paths
from purposewatch_policy.vocabulary import Vocabulary, find_controllers
from purposewatch_policy.yaml_reader import (
    InvalidSourceError,
    Location,
    MappingNode,
    ScalarNode,
    SourceError,
    did_you_mean,
    parse_mapping,
    read_mapping,
)

MAX_FAULTS = 100
"""Reading ends at so many faults: looking for what each wrong word was meant to be takes time."""


class NamedText(NamedTuple):
    """The text of a policy file, and the name by which its faults are located."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A version that could be read, with the places of its parts."""

    compiled: CompiledPolicy
    files: tuple[MappingNode, ...]
    """What the texts hold; that with the head of the policy first."""


class _Faults(list[SourceError]):
    def append(self, error: SourceError) -> None:
        super().append(error)
        if len(self) == MAX_FAULTS:
            raise InvalidSourceError(self)


def read_draft(
    texts: Sequence[NamedText], policies: PolicySet, controller: str | None = None
) -> Draft:
    """Read a version: the text with its head first, then those with further statements.

    It is read by itself, in the vocabulary that `policies` has for its controller: a draft may
    overlap the version that it will replace. What is in shadow mode counts as if it were live.
    Raises `InvalidSourceError` with every fault, or with the first `MAX_FAULTS`; one is that its
    controller is not the one that is given.
    """
    errors = _Faults()
    read = [parse_mapping(each.text, each.name, errors) for each in texts]
    files = [each for each in read if each is not None]
    if len(files) < len(texts) or not files:
        raise InvalidSourceError(errors)
    name, vocabulary = _controller(files[0], policies, controller)
    file = policy_of(files, name, vocabulary, errors)
    if errors:
        raise InvalidSourceError(errors)
    policy = replace(with_shadow_statements(file.policy), mode=Mode.LIVE)
    return Draft(CompiledPolicy(policy, vocabulary), tuple(files))


def _controller(
    root: MappingNode, policies: PolicySet, expected: str | None
) -> tuple[str, Vocabulary]:
    stated = root.entries.get("controller")
    if not isinstance(stated, ScalarNode) or stated.is_null:
        at = root.at if stated is None else stated.at
        raise _invalid(at, "a policy lacks `controller`; add it")
    name = stated.text
    if expected is not None and name != expected:
        message = f"`controller` is `{name}`, and `{expected}` was asked for; align them"
        raise _invalid(stated.at, message)
    if name not in policies.vocabularies:
        known = ", ".join(f"`{each}`" for each in policies.controllers)
        hint = did_you_mean(name, policies.vocabularies) or f"; there are {known or 'none'}"
        raise _invalid(stated.at, f"no policies are declared for `{name}`{hint}")
    return name, policies.vocabularies[name]


def _invalid(at: Location, message: str) -> InvalidSourceError:
    return InvalidSourceError([at.error(message)])


def version_texts(policies_dir: Path, controller: str, version: str) -> tuple[NamedText, ...]:
    """Return the texts of a version in a directory of policies, as `read_draft` takes them.

    None if there is no such version, or it can't be read. Names are relative to the directory.
    """
    home = find_controllers(policies_dir, []).get(controller)
    for path in () if home is None else version_paths(home):
        parts = part_paths(path)
        root = read_mapping(parts[0], [])
        named = root and root.entries.get("version")
        if isinstance(named, ScalarNode) and named.text == version:
            return read_texts(parts, policies_dir)
    return ()


def read_texts(paths: Sequence[Path], directory: Path) -> tuple[NamedText, ...]:
    """Return the texts of files, named relative to a directory; none if one can't be read."""
    try:
        return tuple(
            NamedText(str(path.relative_to(directory)), path.read_text(encoding="utf-8-sig"))
            for path in paths
        )
    except (OSError, UnicodeDecodeError):
        return ()
