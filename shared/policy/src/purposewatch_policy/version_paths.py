"""Where the versions of a policy are stored: each in one file, or in a directory of files."""

from pathlib import Path

HEAD = "policy.yaml"
"""The file of a version's directory that has everything but the statements of the others."""


def is_version_directory(path: Path) -> bool:
    """Whether a path is a directory `policy.<version>`; a controller's name has no dot."""
    return path.name.startswith("policy.") and path.is_dir()


def version_paths(home: Path) -> list[Path]:
    """Return the paths of all versions in a controller's directory, in alphabetical order."""
    found = home.glob("policy*")
    return sorted(path for path in found if path.suffix == ".yaml" or is_version_directory(path))


def part_paths(path: Path) -> list[Path]:
    """Return the files of a version: the one with its head first, the others in their order."""
    if not is_version_directory(path):
        return [path]
    return [path / HEAD, *sorted(each for each in path.glob("*.yaml") if each.name != HEAD)]
