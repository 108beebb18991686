"""What the flow ledger counts, as tables to select from: events, decisions, statements."""

from sqlalchemy import case, select

from purposewatch_reporter.store.tables import (
    flow_counts,
    flow_decision_categories,
    flow_decisions,
    flow_totals,
    flows,
)

NEAREST_MISS = "nearest_miss"
"""Stands for the outcome where a statement did not decide but came nearest."""

_f, _d, _c = flows.c, flow_decisions.c, flow_decision_categories.c
_n, _t = flow_counts.c, flow_totals.c

events = (
    select(
        _n.hour,
        _f.controller,
        _n.publisher,
        _d.outcome,
        _d.kind,
        _n.count,
        _n.accesses,
        _f.is_other,
    )
    .select_from(flow_counts.join(flow_decisions).join(flows))
    .where(_d.counts_events)
    .subquery("events")
)
"""Events, by the hour of their own time."""

decisions = (
    select(
        _n.hour,
        _f.controller,
        _f.role,
        _c.data_category,
        _f.purpose,
        _f.recipient,
        _c.outcome,
        _c.kind,
        _n.count,
        _n.accesses,
        _f.is_other,
    )
    .select_from(
        flow_counts.join(flow_decisions)
        .join(flows)
        .join(flow_decision_categories, _c.decision_id == _d.id)
    )
    .where(_d.counts_categories)
    .subquery("decisions")
)
"""Decisions about data categories, by the hour of the event's own time."""

statements = (
    select(
        _f.controller,
        _d.version,
        _c.statement,
        case((_c.is_nearest_miss, NEAREST_MISS), else_=_c.outcome).label("outcome"),
        _t.count,
        _t.accesses,
    )
    .select_from(
        flow_totals.join(flow_decisions)
        .join(flows)
        .join(flow_decision_categories, _c.decision_id == _d.id)
    )
    .where(_c.statement.is_not(None), _d.version.is_not(None))
    .subquery("statements")
)
"""Over all time, what each statement decided (the outcome), or was the nearest miss of."""
