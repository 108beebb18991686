"""The dashboards as Grafana reads them: panels, queries, variables."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.deploy.tools import ROOT

FILES = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))

_STANDS_FOR = {
    "$__rate_interval": "30s",
    "$__range": "1m",
    "$controller": ".*",
    "$instance": ".*",
}
"""What Grafana would put in the place of its variables."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel that shows something, with the dashboard that it stands on."""

    dashboard: str
    model: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.model['title']}"

    @property
    def queries(self) -> list[str]:
        """Its queries as they would be asked."""
        return [asked(target["expr"]) for target in self.model["targets"]]


def asked(query: str) -> str:
    """The query with its variables replaced."""
    for variable, value in _STANDS_FOR.items():
        query = query.replace(variable, value)
    assert "$" not in query, query
    return query


def models() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dashboard by its file's name."""
    for path in FILES:
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def panels() -> list[Panel]:
    """Every panel but the rows' headings."""
    return [
        Panel(name, panel)
        for name, model in models()
        for panel in model["panels"]
        if panel["type"] != "row"
    ]
