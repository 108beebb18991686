"""The dashboard of privacy counsel: how the declared statements meet what really happens."""

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


def build() -> dashboard.Dashboard:
    """Put the dashboard together."""
    made = page(
        "purposewatch-policy",
        "Purposewatch: policy",
        "Which statements carry the traffic, which only come near, and which terms nobody knows.",
        [
            chosen(
                "controller",
                "Controller",
                "label_values(purposewatch_policy_in_force, controller)",
            ),
            compliance_page(),
        ],
    )
    return _terms(_statements(_state(made)))


def _state(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Policies in use"))
    for panel in (
        number(
            "Without policy",
            "count(max by (controller) "
            f"(purposewatch_policy_in_force{{{CONTROLLER}}}) == 0) or vector(0)",
            unit="short",
            red=Red(1),
            description="Red: every event of such a controller becomes a violation. Extend the "
            "last version's time or publish the next one; runbook PurposewatchNoPolicyInForce.",
        ),
        number(
            "Faulty files",
            "sum(purposewatch_policy_reload_failed) or vector(0)",
            unit="short",
            red=Red(1),
            description="Processes that go on with the last good version because the files on disk "
            "are faulty. Red: run `purposewatch policy lint`; it names the file and the line.",
        ),
        number(
            "Differing",
            "count(count by (controller, version) (count by (controller, version, digest) "
            f"(purposewatch_policy_info{{{CONTROLLER}}})) > 1) or vector(0)",
            unit="short",
            red=Red(1),
            description="Versions that auditors have loaded with different content. Red for longer "
            "than a rollout takes: not every auditor reads the same files; runbook "
            "PurposewatchPoliciesDiffer.",
        ),
        number(
            "Reloads",
            or_zero(counted("purposewatch_policy_reloads_total", "", 'result="success"')),
            unit="short",
            description="Good changes that were taken over, summed over all processes. Each is a "
            "blue mark in the graphs. If one that you made is missing, look at «Faulty files».",
        ),
    ):
        made = made.with_panel(panel)
    return made.with_panel(
        rows(
            "Versions",
            f"max by (controller, version) (purposewatch_policy_in_force{{{CONTROLLER}}})",
            unit="bool_yes_no",
            width=8,
            description="Every version loaded, and whether it is in force now. When the one that "
            "you expect is missing, its file was not deployed or is faulty.",
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
            "Decisions by grade of disclosure",
            {"{{grade}}": rate(_DECISIONS, "grade", CONTROLLER)},
            unit="ops",
            stacked=True,
            description="Decisions about data categories a second. `clear`: a statement names the "
            "very terms. `vague`: only broader ones. `omitted`, `incorrect`, `ambiguous`: not what "
            "people were told. When these rise, find the statement below.",
        ),
        number(
            "Share of vague disclosures",
            f"({or_zero(vague)}) / clamp_min({or_zero(disclosed)}, 1)",
            unit="percentunit",
            red=Red(0.5, orange=0.25),
            decimals=1,
            width=12,
            description="Permitted, but only by a broader term than the one used. Red: more than "
            "half. People were told in general words; name the terms of the statements below "
            "in the policy's next version.",
        ),
        bars(
            "Statements that carry the traffic",
            top("clear", "vague"),
            legend=legend,
            unit="short",
            width=12,
            description="Statements by how many data categories they permitted. One that carries "
            "nearly everything may be too broad; one that is never here may be dead text.",
        ),
        bars(
            "Statements that disclose vaguely",
            top("vague"),
            legend=legend,
            unit="short",
            width=12,
            description="Where only an ancestor of the event's term is declared. "
            "`purposewatch policy explain` shows which term is missing.",
        ),
        bars(
            "Statements that come nearest to violations",
            top("omitted"),
            legend=legend,
            unit="short",
            red=Red(1),
            width=12,
            description="The statements that undeclared flows came nearest to. Red: at least one. "
            "Either the flow must stop or the statement must be widened; the violation says what "
            "it lacks.",
        ),
        bars(
            "Prohibitions that were broken",
            top("incorrect", "ambiguous"),
            legend=legend,
            unit="short",
            red=Red(1),
            width=12,
            description="Statements that prohibit what happened; where the policy permits it as "
            "well, it contradicts itself. Red: at least one. Open the violations, stop the flow, "
            "and run `purposewatch policy lint` for contradictions.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _terms(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Terms that nobody knows"))
    unknown = 'error_class=~"unknown_term|unknown_controller"'
    for panel in (
        graph(
            "Refused for a term or a controller",
            {
                "{{publisher}} {{error_class}}": or_zero(
                    rate(_REFUSED, "publisher, error_class", unknown), "publisher, error_class"
                )
            },
            unit="eps",
            red=Red(1),
            description="Events that the gate refused because the vocabulary lacks a term, or no "
            "policy names the controller. Red: more than one a second; that much is not audited. "
            "Add the term to the vocabulary, or tell the publisher the right one (`GET "
            "/v1/vocabulary/<controller>`).",
        ),
        graph(
            "Events not judged",
            {
                "{{controller}}": or_zero(
                    rate(_VERDICTS, "controller", 'outcome="unknown"'), "controller"
                )
            },
            unit="eps",
            red=Red(0.01),
            description="Events that passed the gate but that the auditors could not judge. Red: "
            "any. Gate and auditors have different vocabularies; runbook "
            "PurposewatchEventsNotJudged.",
        ),
    ):
        made = made.with_panel(panel)
    return made
