"""Everything that reads what others write, as fuzz targets."""

from tests.fuzz.target import Target
from tests.fuzz.targets import (
    codecs,
    connectors,
    files,
    http_ingest,
    http_reporter,
    records,
    signed,
)

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (codecs, records, signed, files, connectors, http_ingest, http_reporter)
    for target in module.TARGETS
}
