"""What one version of a policy permits and another one does not."""

from purposewatch_policy.diff.changes import Change, Closest, NewWords, PolicyDiff, compare_versions
from purposewatch_policy.diff.compare import ChangeKind
from purposewatch_policy.diff.region import Region
from purposewatch_policy.diff.space import TAXONOMY_NAMES

__all__ = [
    "TAXONOMY_NAMES",
    "Change",
    "ChangeKind",
    "Closest",
    "NewWords",
    "PolicyDiff",
    "Region",
    "compare_versions",
]
