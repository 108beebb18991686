"""What a PromQL query names, and what there is to be named."""

import re

from purposewatch_runtime.metrics import DECLARED, HistogramSpec
from tests.deploy.rules import RECORDED, RENAMED

_STANDARD_LABELS = {"job", "instance", "le"}
_CLIENT_LIBRARY = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
}


def known_metrics() -> set[str]:
    """Names that queries may use: exported ones, recorded ones and Prometheus' own."""
    names = {"up"} | _CLIENT_LIBRARY | set(RECORDED) - RENAMED
    for spec in DECLARED:
        if isinstance(spec, HistogramSpec):
            names |= {f"{spec.name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            names.add(spec.exported_name)
    return names


def known_labels() -> set[str]:
    """Labels that some metric has."""
    return _STANDARD_LABELS | {label for spec in DECLARED for label in spec.labels}


def metrics_in(query: str) -> set[str]:
    """The metrics that a query names."""
    bare = re.sub(r'"[^"]*"|#.*|\b(?:by|on|without|group_left|ignoring) \([^)]*\)', "", query)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    return set(
        re.findall(r"\b(?:purposewatch|process|topic|controller_outcome)[a-z0-9_:]+", bare)
    ) | ({"up"} & set(re.findall(r"\bup\b", bare)))


def labels_in(query: str) -> set[str]:
    """The labels that a query selects by or keeps."""
    grouped = re.findall(r"\b(?:by|on|without|ignoring|group_left) \(([^)]*)\)", query)
    names = {name.strip() for group in grouped for name in group.split(",")} - {""}
    return names | set(re.findall(r'\b([a-z_]+)(?:=~|!~|!=|=)"', query))
