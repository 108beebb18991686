"""Reads YAML with positions, and says where a fault is and what to do about it."""

from purposewatch_policy.yaml_reader.fields import (
    Fields,
    as_mapping,
    did_you_mean,
    parse_timestamp,
    read_labels,
)
from purposewatch_policy.yaml_reader.source import (
    InvalidSourceError,
    ListNode,
    Location,
    MappingNode,
    Node,
    ScalarNode,
    SourceError,
    parse_mapping,
    read_mapping,
)

__all__ = [
    "Fields",
    "InvalidSourceError",
    "ListNode",
    "Location",
    "MappingNode",
    "Node",
    "ScalarNode",
    "SourceError",
    "as_mapping",
    "did_you_mean",
    "parse_mapping",
    "parse_timestamp",
    "read_labels",
    "read_mapping",
]
