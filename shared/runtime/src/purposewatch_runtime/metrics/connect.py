"""Metrics of the connectors."""

from purposewatch_runtime.metrics.specs import CounterSpec, GaugeSpec, MetricSpec

CONNECT_RECORDS = CounterSpec(
    "purposewatch_connect_records",
    "Spans, log records and log lines by what they were: about an access (`read`), about something "
    "else (`ignored`), or in a form that can't be read (`unreadable`).",
    ("connect",),
    ("connector", "result"),
    unit="records",
)
CONNECT_ACCESSES = CounterSpec(
    "purposewatch_connect_accesses",
    "Accesses put in the spool, as events of their own or in the count of one.",
    ("connect",),
    ("connector",),
    unit="count",
)
CONNECT_EVENTS = CounterSpec(
    "purposewatch_connect_events",
    "Events put in the spool. Fewer than accesses where identical ones are published together.",
    ("connect",),
    ("connector",),
    unit="events",
)
CONNECT_GAPS = CounterSpec(
    "purposewatch_connect_gaps",
    "What was observed and could not be mapped, by kind and by the name of the dataset, column, "
    "host or service. A gap is neither permitted nor a violation.",
    ("connect",),
    ("connector", "kind", "name"),
    unit="count",
)
CONNECT_UNREAD_BYTES = GaugeSpec(
    "purposewatch_connect_unread_bytes",
    "Of the followed log file, what was not read yet.",
    ("connect",),
    ("connector",),
    unit="bytes",
)
CONNECT_MAPPING_RELOAD_FAILED = GaugeSpec(
    "purposewatch_connect_mapping_reload_failed",
    "1 while the mapping file on disk is invalid and the last valid one is in use.",
    ("connect",),
    unit="yes or no",
)

CONNECT: tuple[MetricSpec, ...] = (
    CONNECT_RECORDS,
    CONNECT_ACCESSES,
    CONNECT_EVENTS,
    CONNECT_GAPS,
    CONNECT_UNREAD_BYTES,
    CONNECT_MAPPING_RELOAD_FAILED,
)
