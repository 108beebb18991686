"""The mapping: what was observed becomes accesses in vocabulary terms, and gaps. No I/O.

A connector builds an `Observation` for each use of a dataset, call of a host or stated access, and
calls `Mapper.apply`. What comes back are the accesses to publish and the gaps to count.
"""

from purposewatch_connect.mapping.apply import MAX_SUBJECTS, Mapper
from purposewatch_connect.mapping.lint import lint_mapping
from purposewatch_connect.mapping.model import (
    NO_TERMS,
    Mapping,
    Rule,
    SubjectRule,
    Terms,
)
from purposewatch_connect.mapping.observation import Action, Derivation, Observation
from purposewatch_connect.mapping.outcome import (
    Access,
    Gap,
    Outcome,
    gap_name,
    make_gap,
)
from purposewatch_connect.mapping.patterns import PatternTable
from purposewatch_connect.mapping.read import load_mapping
from purposewatch_contract import GapKind

__all__ = [
    "MAX_SUBJECTS",
    "NO_TERMS",
    "Access",
    "Action",
    "Derivation",
    "Gap",
    "GapKind",
    "Mapper",
    "Mapping",
    "Observation",
    "Outcome",
    "PatternTable",
    "Rule",
    "SubjectRule",
    "Terms",
    "gap_name",
    "lint_mapping",
    "load_mapping",
    "make_gap",
]
