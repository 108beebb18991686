"""Reads policies from files: one version, every version of one controller, or a whole tree.

A draft is read from texts.

Also statements of facts, for whoever decides without services.
"""

from purposewatch_policy.files.directory import LoadedController, Tree, load_policies, load_tree
from purposewatch_policy.files.draft import Draft, NamedText, read_draft, version_texts
from purposewatch_policy.files.stated_facts import StatedFacts, load_stated_facts
from purposewatch_policy.files.versions import (
    UnusableVersionError,
    read_two_versions,
    read_version,
    version_texts_of,
)

__all__ = [
    "Draft",
    "LoadedController",
    "NamedText",
    "StatedFacts",
    "Tree",
    "UnusableVersionError",
    "load_policies",
    "load_stated_facts",
    "load_tree",
    "read_draft",
    "read_two_versions",
    "read_version",
    "version_texts",
    "version_texts_of",
]
