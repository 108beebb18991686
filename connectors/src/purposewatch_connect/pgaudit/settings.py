"""The settings of the pgaudit connector."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from purposewatch_connect.settings import AggregationSettings, ServingSettings


class PgauditSettings(ServingSettings, AggregationSettings):
    """Everything that `purposewatch-connect pgaudit` reads from its environment."""

    connect_pgaudit_http_port: int = Field(
        default=8603, ge=0, le=65_535, description="Probes and metrics."
    )
    connect_pgaudit_log: Path = Field(
        description="The log file; its name may hold `*` and `?` if it has a date in it."
    )
    connect_pgaudit_format: Literal["csvlog", "jsonlog", "stderr"] = Field(
        default="csvlog", description="As in PostgreSQL's `log_destination`."
    )
    connect_pgaudit_line_prefix: str = Field(
        default="%m [%p] %q%u@%d %a %c %l ",
        description="PostgreSQL's `log_line_prefix`, for `stderr`.",
    )
    connect_pgaudit_server: str = Field(
        default="postgresql",
        pattern=r"^[A-Za-z0-9._:-]{1,64}$",
        description="Names the server in event ids; a name of its own for each.",
    )
    connect_pgaudit_dsn: SecretStr | None = Field(
        default=None,
        description="How to reach the server for its catalogue; without it `*` and views are not "
        "resolved.",
    )
    connect_pgaudit_refresh_seconds: float = Field(
        default=60.0, gt=0, description="How old the catalogue may be."
    )
    connect_state_dir: Path = Field(
        default=Path(), description="Where the position in the log is stored."
    )

    @property
    def http_port(self) -> int:
        """Of probes and metrics."""
        return self.connect_pgaudit_http_port
