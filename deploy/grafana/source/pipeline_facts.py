"""The row of the pipeline dashboard about facts."""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source.panels import Red, graph
from deploy.grafana.source.queries import INSTANCE, counted, or_zero, quantile, rate


def add(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Append the row."""
    made = made.with_row(dashboard.Row("Facts"))
    for panel in (
        graph(
            "Facts stated",
            {
                "{{fact}} {{publisher}}": or_zero(
                    rate("purposewatch_recorded_facts_total", "fact, publisher", INSTANCE),
                    "fact, publisher",
                )
            },
            unit="ops",
            description="New statements per second, by fact and by the system that states it. If "
            "a line ends, that system states nothing any more, and decisions use its old facts.",
        ),
        graph(
            "Facts behind",
            {
                "{{instance}}": "sum by (instance) "
                f"(purposewatch_facts_behind_records{{{INSTANCE}}})"
            },
            unit="short",
            red=Red(10_000, orange=1_000),
            description="Records of the facts topic that an auditor has not applied yet. Events "
            "that depend on facts wait for them. Red: more than 10,000. Runbook: "
            "PurposewatchFactsBehind.",
        ),
        graph(
            "Waiting for facts",
            {"p50": _waited(0.5), "p99": _waited(0.99)},
            unit="s",
            red=Red(5, orange=1),
            description="How long batches with events that depend on facts waited. Red: more than "
            "5 s, the objective of a verdict. Runbook: PurposewatchFactsBehind.",
        ),
        graph(
            "Restore time",
            {
                "{{instance}}": "max by (instance) "
                f"(purposewatch_facts_restore_seconds{{{INSTANCE}}})"
            },
            unit="s",
            red=Red(120, orange=30),
            description="How long the state took to be current after partitions were last "
            "assigned. Red: more than two minutes. Runbook: PurposewatchFactsRestoreSlow.",
        ),
        graph(
            "States of facts given up",
            {
                "{{reason}}": counted(
                    "purposewatch_facts_state_restarts_total", "reason", INSTANCE, window="5m"
                )
            },
            unit="short",
            red=Red(1),
            description="Within five minutes. The state is then restored from the topic. Red: at "
            "least one. Runbook: PurposewatchFactsRestoreSlow.",
        ),
        graph(
            "State of facts on disk",
            {"{{instance}}": f"max by (instance) (purposewatch_facts_state_bytes{{{INSTANCE}}})"},
            unit="bytes",
            description="Each auditor's volume needs room for it. It grows with the subjects and "
            "with the changes of their facts within the horizon.",
        ),
        graph(
            "Late facts",
            {
                "{{controller}} {{fact}}": or_zero(
                    counted("purposewatch_late_facts_total", "controller, fact", window="1h"),
                    "controller, fact",
                )
            },
            unit="short",
            red=Red(100, orange=10),
            width=24,
            description="Statements within an hour that arrived after verdicts which would use "
            "another value now. Red: more than 100. Ask the system that states the fact why it "
            "states it late; the compliance page lists the statements.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _waited(share: float) -> str:
    """0 while no event depends on facts."""
    return or_zero(f"({quantile(share, 'purposewatch_facts_wait_seconds', '', INSTANCE)} >= 0)")
