"""What a booked batch shows in the metrics."""

from purposewatch_reporter.booking.book import Bookkeeper
from purposewatch_reporter.intake import Intake
from purposewatch_shared import metrics as m
from tests.unit.reporter.records import in_topic, verdict

TOPIC = "data-access.verdicts"


async def test_invented_controllers_share_one_label(bookkeeper: Bookkeeper) -> None:
    """Names that no policy is known of do not become label values, however many there are."""
    unknown = [verdict(offset=number, outcome="unknown") for number in range(50)]
    for number, each in enumerate(unknown):
        each["data"]["controller"] = f"invented-{number}"
        each["policy"] = None
    metric_set = m.MetricSet("reporter", version="0")

    await Intake(bookkeeper, metric_set).verdicts(
        in_topic(TOPIC, [*unknown, verdict(offset=50), verdict(offset=50)])
    )

    def booked(**labels: str) -> float | None:
        return metric_set.registry.get_sample_value("purposewatch_booked_verdicts_total", labels)

    assert booked(controller="_unjudged", outcome="unknown", kind="none") == 50
    assert booked(controller="wework-labs", outcome="permitted", kind="none") == 1
    assert booked(controller="invented-0", outcome="unknown", kind="none") is None
    assert metric_set.registry.get_sample_value("purposewatch_booked_repeats_total") == 1
