"""Loads a directory of policies: every version of every controller, or every fault of them."""

from itertools import pairwise
from pathlib import Path

from purposewatch_policy.files.policy_file import PolicyFile, read_policy
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.vocabulary import Vocabulary, find_controllers, read_vocabularies
from purposewatch_policy.yaml_reader.source import InvalidSourceError, SourceError


def load_policies(policies_dir: Path) -> PolicySet:
    """Return the compiled policies of a directory.

    Raises `InvalidSourceError` with every fault of the vocabularies or, once they are in order,
    with every fault of every policy file.
    """
    errors: list[SourceError] = []
    vocabularies = read_vocabularies(policies_dir, errors)
    if errors:  # policies in the words of a faulty vocabulary would only add consequent faults
        raise InvalidSourceError(errors)
    files = [
        file
        for controller, home in find_controllers(policies_dir, []).items()
        for file in read_versions(home, controller, vocabularies[controller], errors)
    ]
    if errors:
        raise InvalidSourceError(errors)
    return PolicySet(vocabularies, (file.policy for file in files))


def read_versions(
    home: Path, controller: str, vocabulary: Vocabulary, errors: list[SourceError]
) -> list[PolicyFile]:
    """Read every version of one controller's policy, in the order of their time.

    Adds faults to `errors`, overlapping versions included. What is returned may be used only if
    none was added.
    """
    found = (
        read_policy(path, controller, vocabulary, errors)
        for path in sorted(home.glob("policy*.yaml"))
    )
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
    for earlier, later in pairwise(files):
        until = earlier.policy.in_force_until
        if until is None or until > later.policy.in_force_from:
            begins = later.policy.in_force_from.isoformat()
            message = (
                f"version `{earlier.policy.version}` ({earlier.version_at.path}) is still in force "
                f"then; set its `in_force_until` to `{begins}` or earlier"
            )
            errors.append(later.in_force_from_at.error(message))
    return files
