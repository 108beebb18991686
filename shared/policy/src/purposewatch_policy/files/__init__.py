"""Reads policies from files: one version, every version of one controller, or a whole tree."""

from purposewatch_policy.files.directory import LoadedController, Tree, load_policies, load_tree
from purposewatch_policy.files.versions import UnusableVersionError, read_two_versions, read_version

__all__ = [
    "LoadedController",
    "Tree",
    "UnusableVersionError",
    "load_policies",
    "load_tree",
    "read_two_versions",
    "read_version",
]
