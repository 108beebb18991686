"""`POST /v1/facts`: statements of facts in, handled as events are."""

from purposewatch_ingest.admission import AdmissionBatch, AdmittedFact
from purposewatch_ingest.http.cloudevents.endpoint import Admit, CloudEventsEndpoint


class FactsEndpoint(CloudEventsEndpoint[AdmittedFact]):
    """Handles requests with statements of facts."""

    noun = "fact"

    @staticmethod
    def admits(batch: AdmissionBatch) -> Admit[AdmittedFact]:
        """See `CloudEventsEndpoint`."""
        return batch.admit_fact
