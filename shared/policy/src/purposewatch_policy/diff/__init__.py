"""What one version of a policy permits and another one does not."""

from purposewatch_policy.diff.changes import Change, Closest, NewWords, PolicyDiff, compare_versions
from purposewatch_policy.diff.compare import ChangeKind

__all__ = [
    "Change",
    "ChangeKind",
    "Closest",
    "NewWords",
    "PolicyDiff",
    "compare_versions",
]
