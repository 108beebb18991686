"""The dashboard for privacy counsel: how statements are used by actual traffic."""

from grafana_foundation_sdk.builders import dashboard

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
from deploy.grafana.source.queries import CONTROLLER, counted, or_zero, rate

_DECISIONS = "purposewatch_statement_decisions_total"
_REFUSED = "purposewatch_ingest_events_refused_total"
_VERDICTS = "purposewatch_verdicts_total"
_SHADOW = "purposewatch_shadow_events_total"
_EXCEPTIONS = "purposewatch_exceptions"


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    made = page(
        "purposewatch-policy",
        "Purposewatch: policy",
        "Which statements are used, which were nearest misses, and which terms are unknown.",
        [
            chosen(
                "controller",
                "Controller",
                "label_values(purposewatch_policy_in_force, controller)",
            ),
            compliance_page(),
        ],
    )
    return _terms(_shadow(_statements(_state(made))))


def _state(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Policies in use"))
    for panel in (
        number(
            "No policy in force",
            "count(max by (controller) "
            f"(purposewatch_policy_in_force{{{CONTROLLER}}}) == 0) or vector(0)",
            unit="short",
            red=Red(1),
            description="Controllers without a policy in force. Red: every event of such a "
            "controller becomes a violation. Extend the last version or deploy the next one. "
            "Runbook: PurposewatchNoPolicyInForce.",
        ),
        number(
            "Invalid files",
            "sum(purposewatch_policy_reload_failed) or vector(0)",
            unit="short",
            red=Red(1),
            description="Processes that continue with the last valid version because the files on "
            "disk are invalid. Red: at least one. Run `purposewatch policy lint`; it names the "
            "file and the line.",
        ),
        number(
            "Differing versions",
            "count(count by (controller, version) (count by (controller, version, digest) "
            f"(purposewatch_policy_info{{{CONTROLLER}}})) > 1) or vector(0)",
            unit="short",
            red=Red(1),
            description="Versions that auditors have loaded with different content. Red for "
            "longer than a rollout takes: the auditors do not read the same files. Runbook: "
            "PurposewatchPoliciesDiffer.",
        ),
        number(
            "Reloads",
            or_zero(counted("purposewatch_policy_reloads_total", "", 'result="success"')),
            unit="short",
            description="Valid changes that were loaded, over all processes. Each is a blue mark "
            'in the graphs. If your change is missing, look at "Invalid files".',
        ),
    ):
        made = made.with_panel(panel)
    return made.with_panel(
        rows(
            "Versions",
            f"max by (controller, version) (purposewatch_policy_in_force{{{CONTROLLER}}})",
            unit="bool_yes_no",
            width=8,
            description="Every loaded version, and whether it is in force now. If one is missing, "
            "its file was not deployed or is invalid.",
        )
    )


def _statements(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Statements"))

    def top(*grades: str) -> str:
        matcher = f'grade=~"{"|".join(grades)}"'
        by = "controller, statement"
        return or_zero(f"topk(20, {counted(_DECISIONS, by, CONTROLLER, matcher)})", by)

    vague = counted(_DECISIONS, "", CONTROLLER, 'grade="vague"')
    disclosed = counted(_DECISIONS, "", CONTROLLER, 'grade=~"clear|vague"')
    legend = "{{controller}} {{statement}}"
    for panel in (
        graph(
            "Decisions by disclosure grade",
            {"{{grade}}": rate(_DECISIONS, "grade", CONTROLLER)},
            unit="ops",
            stacked=True,
            description="Decisions per second, one for each data category. `clear`: a statement "
            "names the very terms. `vague`: only broader terms. `omitted`, `incorrect`, "
            "`ambiguous`: not what the policy says. If these rise, find the statement below.",
        ),
        number(
            "Share of vague disclosures",
            f"({or_zero(vague)}) / clamp_min({or_zero(disclosed)}, 1)",
            unit="percentunit",
            red=Red(0.5, orange=0.25),
            decimals=1,
            width=12,
            description="Permitted, but only by a term broader than the one used. Red: more than "
            "half. Name the terms of the statements below in the next version of the policy.",
        ),
        bars(
            "Most used statements",
            top("clear", "vague"),
            legend=legend,
            unit="short",
            width=12,
            description="Statements by how many data categories they permitted. One that permits "
            "nearly everything may be too broad; one that never appears may be obsolete.",
        ),
        bars(
            "Statements that disclose vaguely",
            top("vague"),
            legend=legend,
            unit="short",
            width=12,
            description="Statements that declare only an ancestor of the event's term. "
            "`purposewatch policy explain` shows which term is missing.",
        ),
        bars(
            "Nearest misses",
            top("omitted"),
            legend=legend,
            unit="short",
            red=Red(1),
            width=12,
            description="The statements that undeclared flows came closest to. Red: at least one. "
            "Either the flow must stop or the statement must be widened; the violation says what "
            "the statement lacks.",
        ),
        bars(
            "Violated prohibitions",
            top("incorrect", "ambiguous"),
            legend=legend,
            unit="short",
            red=Red(1),
            width=12,
            description="Statements that prohibit what happened. If the policy permits it as "
            "well, it contradicts itself. Red: at least one. Open the violations, stop the flow, "
            "and run `purposewatch policy lint` to find contradictions.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _shadow(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Shadow mode and exceptions"))
    by = "controller, candidate, change"
    for panel in (
        graph(
            "What would change",
            {
                "{{controller}} {{candidate}}: {{change}}": or_zero(
                    rate(_SHADOW, by, CONTROLLER, 'change!="unchanged"'), by
                )
            },
            unit="eps",
            description="Events per second that a policy in shadow mode would decide differently. "
            "It is only tried: nothing alerts. The page *Shadow mode* has the flows, with the "
            "statement that decides before and after.",
        ),
        bars(
            "Would become violations",
            or_zero(
                counted(_SHADOW, "controller, candidate", CONTROLLER, 'change="becomes_violation"'),
                "controller, candidate",
            ),
            legend="{{controller}} {{candidate}}",
            unit="short",
            width=12,
            description="Events that are permitted now and would be violations under the tried "
            "policy. `purposewatch policy exceptions` writes the exceptions that it needs to go "
            "live.",
        ),
        number(
            "Active exceptions",
            f'sum(max by (state) ({_EXCEPTIONS}{{state=~"active|expiring"}})) or vector(0)',
            unit="short",
            description="Exceptions to policies that are in force. What they cover is recorded as "
            "a violation and raises no alert.",
        ),
        number(
            "Exceptions that end soon",
            f'max({_EXCEPTIONS}{{state="expiring"}}) or vector(0)',
            unit="short",
            description="A notice of the kind `exception` has been sent about each. Change the "
            "service or the policy, or renew them.",
        ),
        number(
            "Expired exceptions",
            f'max({_EXCEPTIONS}{{state="expired"}}) or vector(0)',
            unit="short",
            red=Red(1),
            description="Exceptions that expired within a week and were not renewed. Red: at least "
            "one. What they covered alerts again.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _terms(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Unknown terms"))
    unknown = 'error_class=~"unknown_term|unknown_controller"'
    for panel in (
        graph(
            "Rejected for an unknown term or controller",
            {
                "{{publisher}} {{error_class}}": or_zero(
                    rate(_REFUSED, "publisher, error_class", unknown), "publisher, error_class"
                )
            },
            unit="eps",
            red=Red(1),
            description="Events that ingest rejected because the vocabulary lacks a term or no "
            "policy names the controller. Red: more than one per second is not audited. Add the "
            "term to the vocabulary, or send the publisher the right one (`GET "
            "/v1/vocabulary/<controller>`).",
        ),
        graph(
            "Unknown events",
            {
                "{{controller}}": or_zero(
                    rate(_VERDICTS, "controller", 'outcome="unknown"'), "controller"
                )
            },
            unit="eps",
            red=Red(0.01),
            description="Events that ingest accepted and the auditors could not judge. Red: any. "
            "Ingest and the auditors use different vocabularies. Runbook: "
            "PurposewatchEventsNotJudged.",
        ),
    ):
        made = made.with_panel(panel)
    return made
