"""The auditor's settings."""

from pathlib import Path

from pydantic import Field

from purposewatch_runtime.settings import (
    DeadLetterSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    PolicySettings,
    TraceSettings,
)


class AuditorSettings(
    LogSettings, HttpSettings, KafkaSettings, PolicySettings, DeadLetterSettings, TraceSettings
):
    """Everything the auditor reads from its environment."""

    auditor_http_host: str = Field(default="127.0.0.1", description="Probes and metrics.")
    auditor_http_port: int = Field(default=8601, ge=0, le=65_535)
    publishers_file: Path | None = Field(
        default=None,
        description="The register of publishers; events of others are counted. None: not checked.",
    )
    facts_dir: Path = Field(
        default=Path("purposewatch-facts"),
        description="Where this auditor alone keeps the facts of its partitions, on a local disk. "
        "What is lost is restored from the topic.",
    )
    facts_wait_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long a batch with events that depend on facts waits for the newest facts, "
        "before it is put back and tried again.",
    )
    facts_horizon_days: int = Field(
        default=1_096,
        ge=1,
        description="Statements of facts that were superseded for so long are removed from the "
        "topic. For events from before then, the fact may not be stated.",
    )
