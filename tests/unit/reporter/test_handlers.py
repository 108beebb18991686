"""What a recorded batch shows in the metrics."""

from structlog.testing import capture_logs

from purposewatch_reporter.handlers import Handlers
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_runtime import metrics as m
from tests.unit.reporter.records import dead_letter, in_topic, verdict

TOPIC = "data-access.verdicts"


async def test_invented_controllers_share_one_label(ledger_writer: LedgerWriter) -> None:
    """Names that no policy is known of do not become label values, however many there are."""
    unknown = [verdict(offset=number, outcome="unknown") for number in range(50)]
    for number, each in enumerate(unknown):
        each["data"]["controller"] = f"invented-{number}"
        each["policy"] = None
    metric_set = m.MetricSet("reporter", version="0")

    await Handlers(ledger_writer, metric_set).verdicts(
        in_topic(TOPIC, [*unknown, verdict(offset=50), verdict(offset=50)])
    )

    def recorded(**labels: str) -> float | None:
        return metric_set.registry.get_sample_value("purposewatch_recorded_verdicts_total", labels)

    assert recorded(controller="_unjudged", outcome="unknown", kind="none") == 50
    assert recorded(controller="wework-labs", outcome="permitted", kind="none") == 1
    assert recorded(controller="invented-0", outcome="unknown", kind="none") is None
    assert metric_set.registry.get_sample_value("purposewatch_recorded_redeliveries_total") == 1


async def test_accesses_are_counted_beside_events(ledger_writer: LedgerWriter) -> None:
    """Of what was recorded: a redelivery and a duplicate add to neither."""
    metric_set = m.MetricSet("reporter", version="0")
    values = [
        verdict(offset=0, count=250),
        verdict(offset=0, count=250),
        verdict(offset=1, event_id="event-0-0", count=250),
        verdict(offset=2),
        verdict(offset=3, outcome="violation", kind="prohibited", count=3),
    ]

    await Handlers(ledger_writer, metric_set).verdicts(in_topic(TOPIC, values))

    def sample(name: str, outcome: str, kind: str) -> float | None:
        labels = {"controller": "wework-labs", "outcome": outcome, "kind": kind}
        return metric_set.registry.get_sample_value(f"purposewatch_recorded_{name}_total", labels)

    assert (sample("verdicts", "permitted", "none"), sample("accesses", "permitted", "none")) == (
        2,
        251,
    )
    assert sample("verdicts", "violation", "prohibited") == 1
    assert sample("accesses", "violation", "prohibited") == 3


async def test_violations_and_statements_are_counted_by_what_they_are_about(
    ledger_writer: LedgerWriter,
) -> None:
    """A violation by its dimensions; every decision by the statement and the grade."""
    metric_set = m.MetricSet("reporter", version="0")
    values = [
        verdict(offset=0, outcome="violation", kind="prohibited", publisher="web"),
        verdict(offset=1, outcome="violation", kind="prohibited", publisher="web"),
        verdict(offset=2, outcome="unknown"),
        verdict(
            offset=3,
            outcome="violation",
            categories={"user.name": "permitted", "user.contact": "violation"},
        ),
    ]

    await Handlers(ledger_writer, metric_set).verdicts(in_topic(TOPIC, values))

    def sample(name: str, **labels: str) -> float | None:
        return metric_set.registry.get_sample_value(name, {"controller": "wework-labs", **labels})

    violations, decisions = m.RECORDED_VIOLATIONS.exported_name, m.STATEMENT_DECISIONS.exported_name
    about = {"role": "member", "recipient": "first_party"}
    found = {"outcome": "violation", "kind": "prohibited", "publisher": "web"}
    unknown = {"role": "_unjudged", "recipient": "_unjudged", "publisher": "crm"}
    statement = "members.contact.use"
    assert sample(violations, **found, **about) == 2
    assert sample(violations, outcome="unknown", kind="none", **unknown) == 1
    assert sample(decisions, statement=statement, grade="omitted") == 3
    assert sample(decisions, statement=statement, grade="clear") == 1
    assert sample(decisions, statement=statement, grade="none") == 1


async def test_suspect_records_are_counted_and_logged(ledger_writer: LedgerWriter) -> None:
    """Of either topic, once for a batch."""
    metric_set = m.MetricSet("reporter", version="0")
    handlers = Handlers(ledger_writer, metric_set)
    elsewhere = verdict(offset=0, prefix="elsewhere")

    with capture_logs() as logs:
        await handlers.verdicts(in_topic(TOPIC, [elsewhere, elsewhere, verdict(offset=0)]))
        letters = [dead_letter(offset=1, prefix="elsewhere"), dead_letter(offset=1)]
        await handlers.dead_letters(in_topic("dead-letters", letters))

    name = m.RECORDED_DEAD_LETTERS.exported_name
    assert metric_set.registry.get_sample_value(name, {"error_class": "suspect"}) == 3
    lines = [line for line in logs if line["event"] == "records that no service can have written"]
    assert [line["records"] for line in lines] == [2, 1]
