"""Every metric that Purposewatch exports, in the order of docs/metrics.md.

A metric is declared in the module of the service that exports it. Label values come from
enumerations, the vocabulary or the register of publishers, never from free text, so that the number
of label sets is bounded whatever arrives. docs/metrics.md is generated from these declarations.
"""

from purposewatch_policy import Kind, Outcome
from purposewatch_runtime.metrics.auditor import AUDITOR
from purposewatch_runtime.metrics.common import COMMON
from purposewatch_runtime.metrics.connect import CONNECT
from purposewatch_runtime.metrics.ingest import INGEST
from purposewatch_runtime.metrics.reporter import REPORTER
from purposewatch_runtime.metrics.specs import MetricSpec

DECLARED: tuple[MetricSpec, ...] = (*COMMON, *INGEST, *AUDITOR, *REPORTER, *CONNECT)

OBJECTIVE_SECONDS = 5.0
"""An event is audited in time when its verdict is acknowledged this soon after acceptance."""

UNJUDGED = "_unjudged"
"""Label value where no policy is known or a term may be unknown; no term begins like this."""

OUTCOMES: tuple[tuple[str, str], ...] = (
    (str(Outcome.PERMITTED), "none"),
    (str(Outcome.UNKNOWN), "none"),
    *((str(Outcome.VIOLATION), str(kind)) for kind in Kind),
)
"""Every pair of `outcome` and `kind` that a verdict can have."""
