"""The compliance officer's dashboard: what was found, and where to open it."""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source import compliance_discovery
from deploy.grafana.source.panels import (
    Red,
    bars,
    chosen,
    compliance_page,
    graph,
    number,
    page,
    rows,
)
from deploy.grafana.source.queries import CONTROLLER, RATE, counted, or_zero, rate

_BOOKED = "purposewatch_recorded_verdicts_total"
_FOUND = "purposewatch_recorded_violations_total"
_VIOLATION = 'outcome="violation"'
_UNKNOWN = 'outcome="unknown"'
_CONTRADICTED = 'kind="contradicted_claim"'
_LIST = "${compliance_page}/violations"
_GAPS = "purposewatch_gaps_total"


def _by(label: str, place: str = "${__field.labels.%s}") -> tuple[str, str]:
    return f"Violations of this {label}", f"{_LIST}?{label}={place % label}"


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    made = page(
        "purposewatch-compliance",
        "Purposewatch: compliance overview",
        "What services did with personal data compared with what was declared. This is the trend; "
        "the compliance page has every violation, exact counts and the evidence.",
        [
            chosen(
                "controller",
                "Controller",
                "label_values(purposewatch_recorded_verdicts_total, controller)",
            ),
            compliance_page(),
        ],
    )
    link = dashboard.DashboardLink("Compliance page").url(_LIST).target_blank(target_blank=True)
    return compliance_discovery.add(_not_audited(_contradicted(_found(_now(made.link(link))))))


def _now(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("In the selected time range"))
    audited = counted(_BOOKED, "", CONTROLLER)
    violations = counted(_BOOKED, "", CONTROLLER, _VIOLATION)
    for panel in (
        number(
            "Events audited",
            or_zero(audited),
            unit="short",
            width=5,
            description="Events with a recorded verdict. If it stays at 0 although services "
            'publish, look at the dashboard "Pipeline health" or ask on-call.',
        ),
        number(
            "Violations",
            or_zero(violations),
            unit="short",
            width=4,
            red=Red(1),
            description="Events that the policy prohibits or does not declare. Red: at least one. "
            "Open the compliance page, read the reason and the clause, and triage.",
        ),
        number(
            "Violation rate",
            f"({or_zero(violations)}) / clamp_min({or_zero(audited)}, 1)",
            unit="percentunit",
            red=Red(0.05, orange=0.01),
            decimals=2,
            width=3,
            description="Share of violations in all audited events. Red: more than 5 %. A single "
            "careless release rarely causes that many: look at their kind and publisher, and "
            "whether the policy was changed lately (blue marks).",
        ),
        number(
            "Unknown",
            or_zero(counted(_BOOKED, "", CONTROLLER, _UNKNOWN)),
            unit="short",
            width=3,
            red=Red(1),
            description="Events that could not be judged. They count neither as permitted nor as "
            "violations. Red: at least one. Ask on-call: ingest and the auditors use different "
            "vocabularies, or a controller has no policy.",
        ),
        number(
            "Unaccounted",
            "sum(max without (instance, job) (purposewatch_ledger_unaccounted)) or vector(0)",
            unit="short",
            width=3,
            red=Red(1),
            description="Events without a verdict or a dead letter, over all controllers. Red: at "
            "least one. The counts on this dashboard are then incomplete; on-call has been "
            "alerted and follows the runbook PurposewatchEventsUnaccounted.",
        ),
        number(
            "Firing findings",
            'sum(max by (severity) (purposewatch_findings{state="firing"})) or vector(0)',
            unit="short",
            red=Red(20, orange=1),
            width=3,
            description="Findings with recent violations. Red: more than 20. Start with the most "
            "severe ones on the compliance page, and silence there what is already being dealt "
            "with.",
        ),
        number(
            "Undelivered alerts",
            "sum(max by (channel) (purposewatch_outbox_depth)) or vector(0)",
            unit="short",
            width=3,
            red=Red(100, orange=10),
            description="Alerts that have not reached their receivers yet. Red: more than 100. Do "
            "not wait for mail: read the compliance page, and ask on-call about "
            "PurposewatchOutboxWaiting.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _found(made: dashboard.Dashboard) -> dashboard.Dashboard:
    over_time = counted(_FOUND, "kind", CONTROLLER, _VIOLATION, window=RATE)
    made = made.with_row(dashboard.Row("Verdicts"))
    for panel in (
        graph(
            "Verdicts by outcome",
            {"{{outcome}}": rate(_BOOKED, "outcome", CONTROLLER)},
            unit="eps",
            stacked=True,
            description="Events per second by outcome. If violations or unknown events rise "
            "suddenly, compare the time with releases and with policy reloads (blue marks).",
        ),
        graph(
            "Violations over time",
            {"{{kind}}": or_zero(over_time, "kind")},
            unit="short",
            stacked=True,
            description="New violations in each step of the graph, by kind. A kind that is new "
            "points to a release or a policy change; look at the publisher beside it.",
        ),
    ):
        made = made.with_panel(panel)
    made = made.with_row(dashboard.Row("Violations by dimension"))
    advice = {
        "kind": "Why a flow is a violation. Start with what is prohibited, wholly or in part, and "
        "undeclared sharing with third parties; each bar links to its violations.",
        "role": "The role of the data subject. If a role is new, look at its newest publisher.",
        "recipient": "Who received the data. Recipients outside the controller are urgent: what "
        "was shared cannot be taken back.",
        "publisher": "Which service did it. Start with the team of the longest bar.",
    }
    for label, words in advice.items():
        query = f"topk(15, {counted(_FOUND, label, CONTROLLER, _VIOLATION)})"
        made = made.with_panel(
            bars(
                f"Violations by {label}",
                or_zero(query, label),
                legend=f"{{{{{label}}}}}",
                unit="short",
                red=Red(1),
                link=_by(label),
                description=words,
            )
        )
    every = "controller, kind, role, recipient, publisher"
    made = made.with_row(dashboard.Row("Where to start"))
    return made.with_panel(
        rows(
            "Most frequent violations",
            or_zero(f"topk(30, {counted(_FOUND, every, CONTROLLER, _VIOLATION)})"),
            unit="short",
            red=Red(1),
            width=24,
            link=("Open these violations", f"{_LIST}?kind=${{__data.fields.kind}}"),
            description="Violations with the same fields, the most frequent first. Each row is a "
            "flow that must either stop or be declared. `_other` stands for rows beyond the limit "
            "of series; the compliance page has them all.",
        )
    )


def _contradicted(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Facts"))
    over_time = counted(_FOUND, "publisher", CONTROLLER, _CONTRADICTED, window=RATE)
    by_publisher = counted(_FOUND, "controller, publisher", CONTROLLER, _CONTRADICTED)
    late = counted("purposewatch_late_facts_total", "controller, fact", CONTROLLER)
    for panel in (
        graph(
            "Contradicted claims over time",
            {"{{publisher}}": or_zero(over_time, "publisher")},
            unit="short",
            stacked=True,
            width=12,
            description="Events that claimed a fact which does not hold according to the system "
            "that answers for it, in each step of the graph. If a publisher's rises, its copy of "
            "the fact is out of date or it does not ask. Runbook: "
            "PurposewatchContradictedClaimsRising.",
        ),
        bars(
            "Contradicted claims by publisher",
            or_zero(f"topk(15, {by_publisher})", "controller, publisher"),
            legend="{{controller}} {{publisher}}",
            unit="short",
            red=Red(1),
            link=(
                "Contradicted claims of this publisher",
                f"{_LIST}?kind=contradicted_claim&publisher=${{__field.labels.publisher}}",
            ),
            description="In the selected time range; each bar links to the violations. Their page "
            "shows claim, ledger, evidence and the history of the fact.",
        ),
        bars(
            "Late facts",
            or_zero(f"topk(15, {late})", "controller, fact"),
            legend="{{controller}} {{fact}}",
            unit="short",
            link=(
                "Late statements of this fact",
                "${compliance_page}/late-facts?fact=${__field.labels.fact}",
            ),
            description="Statements that arrived after verdicts which would use another value "
            "now. They change no verdict; each bar links to the statements.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _not_audited(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Not audited"))
    for panel in (
        graph(
            "Gaps over time",
            {"{{kind}}": or_zero(counted(_GAPS, "kind", window=RATE), "kind")},
            unit="short",
            stacked=True,
            description="What publishers of all controllers saw and could not state as events, in "
            "each step of the graph. Nobody has judged it: it is neither permitted nor a "
            "violation. If a kind rises, open the page of gaps, which names the datasets and "
            "services, and have them mapped.",
        ),
        bars(
            "Gaps by publisher",
            or_zero(f"topk(15, {counted(_GAPS, 'publisher, kind')})", "publisher, kind"),
            legend="{{publisher}} {{kind}}",
            unit="short",
            width=12,
            link=(
                "Gaps of this publisher",
                "${compliance_page}/gaps?publisher=${__field.labels.publisher}",
            ),
            description="Which publisher has which gaps in the selected time range; each bar links "
            "to them. `dropped` are events that a publisher discarded: ask its team why.",
        ),
    ):
        made = made.with_panel(panel)
    return made
