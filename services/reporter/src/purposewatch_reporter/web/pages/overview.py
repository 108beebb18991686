"""The first page: an overview."""

from starlette.responses import Response

from purposewatch_reporter.findings.queries.filters import WORST_FIRST
from purposewatch_reporter.findings.queries.overview import SPANS, open_findings, read_figures
from purposewatch_reporter.reconciliation.topic import all_reconciled
from purposewatch_reporter.web.charts import stacked
from purposewatch_reporter.web.request_context import RequestContext

_DEFAULT_SPAN = "7d"


async def show_overview(context: RequestContext) -> Response:
    """Verdicts over time, where violations come from, reconciliation, policies in force."""
    app = context.app
    now = app.clock()
    asked = context.request.query_params.get("span", _DEFAULT_SPAN)
    if asked not in SPANS:
        context.ignored, asked = ("span",), _DEFAULT_SPAN
    span = SPANS[asked]
    async with app.database.snapshot() as connection:
        figures = await read_figures(connection, span, now)
        by_severity, mine = await open_findings(connection, context.signed_in.username)
    report = app.watch.latest
    declared = app.declared.current
    in_force = [declared.in_force(controller, now) for controller in declared.controllers]
    return context.html(
        "overview.html",
        span=span,
        spans=SPANS,
        figures=figures,
        since=figures.since.replace(tzinfo=None).isoformat(timespec="seconds"),
        all_verdicts=stacked(figures.bars, ("violation", "unknown", "permitted")),
        not_permitted=stacked(figures.bars, ("violation", "unknown")),
        severities=[(severity, by_severity.get(str(severity), 0)) for severity in WORST_FIRST],
        open_count=sum(by_severity.values()),
        mine=mine,
        ledger=report,
        reconciled=None if report is None else all_reconciled(report.events.epochs),
        policies=[compiled.policy for compiled in in_force if compiled is not None],
    )
