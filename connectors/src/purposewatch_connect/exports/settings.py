"""The settings of the connectors that read exported files."""

from pydantic import Field

from purposewatch_connect.settings import AggregationSettings


class ExportSettings(AggregationSettings):
    """Everything that the commands `cloudtrail` and `snowflake` read from their environment."""

    connect_export_max_bytes: int = Field(
        default=268_435_456, ge=1_024, description="Of one file, uncompressed."
    )
