"""The tables. Migrations create them; a test holds the two equal.

A module for each concept; whoever needs a table imports it from here, so that `metadata` has all.
"""

from purposewatch_reporter.store.tables.alerts import (
    channel_health,
    channel_leases,
    notices,
    outbox,
)
from purposewatch_reporter.store.tables.discovery import (
    counter_slices,
    counter_subjects,
    counters,
    counting_alerts,
    discovery_starts,
    known_recipients,
)
from purposewatch_reporter.store.tables.facts import fact_uses, facts
from purposewatch_reporter.store.tables.findings import (
    export_ends,
    exports,
    findings,
    silences,
    triage,
    triage_acts,
    violation_categories,
    violations,
)
from purposewatch_reporter.store.tables.flows import (
    decision_sums,
    event_sums,
    flow_counts,
    flow_decision_categories,
    flow_decisions,
    flow_totals,
    flows,
    unsummed_hours,
)
from purposewatch_reporter.store.tables.gaps import gap_days, gap_ids, gaps
from purposewatch_reporter.store.tables.ledger import (
    dead_letters,
    event_ids,
    id_conflicts,
    ledger,
    log_epochs,
    positions,
    raw_chunks,
    raw_ledger,
)
from purposewatch_reporter.store.tables.schema import NO_KIND, UtcTime, metadata
from purposewatch_reporter.store.tables.users import (
    accounts,
    recovery_codes,
    second_factors,
    sessions,
    sign_in_failures,
    sign_in_networks,
)

__all__ = [
    "NO_KIND",
    "UtcTime",
    "accounts",
    "channel_health",
    "channel_leases",
    "counter_slices",
    "counter_subjects",
    "counters",
    "counting_alerts",
    "dead_letters",
    "decision_sums",
    "discovery_starts",
    "event_ids",
    "event_sums",
    "export_ends",
    "exports",
    "fact_uses",
    "facts",
    "findings",
    "flow_counts",
    "flow_decision_categories",
    "flow_decisions",
    "flow_totals",
    "flows",
    "gap_days",
    "gap_ids",
    "gaps",
    "id_conflicts",
    "known_recipients",
    "ledger",
    "log_epochs",
    "metadata",
    "notices",
    "outbox",
    "positions",
    "raw_chunks",
    "raw_ledger",
    "recovery_codes",
    "second_factors",
    "sessions",
    "sign_in_failures",
    "sign_in_networks",
    "silences",
    "triage",
    "triage_acts",
    "unsummed_hours",
    "violation_categories",
    "violations",
]
