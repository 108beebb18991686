"""The settings that the chart's values may hold, from the declarations of the services."""

import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from purposewatch_auditor.settings import AuditorSettings
from purposewatch_ingest.settings import IngestSettings
from purposewatch_reporter.settings import ReporterSettings

CHART = Path(__file__).resolve().parent.parent / "purposewatch"
SERVICES: dict[str, type[BaseSettings]] = {
    "ingest": IngestSettings,
    "auditor": AuditorSettings,
    "reporter": ReporterSettings,
}
_VARIABLE = re.compile(r"(?:- name: |list \")(PURPOSEWATCH_[A-Z_]+)")
_FIXED = re.compile(r"PURPOSEWATCH_[A-Z]+_HTTP_(HOST|PORT)")
"""What the images and the probes have in common."""


def set_by_chart() -> frozenset[str]:
    """The variables that the templates set, from values of their own."""
    texts = (path.read_text(encoding="utf-8") for path in CHART.glob("templates/*"))
    return frozenset(name for text in texts for name in _VARIABLE.findall(text))


def declared(kind: type[BaseSettings]) -> frozenset[str]:
    """Every variable that a service reads."""
    return frozenset(f"PURPOSEWATCH_{field.upper()}" for field in kind.model_fields)


def definitions() -> dict[str, Any]:
    """Schemas of the values `settings` and `secrets` of each service.

    They hold what the templates do not set. A setting that names a file is not among them: the file
    would not be there.
    """
    taken = set_by_chart()
    found: dict[str, Any] = {}
    for name, kind in SERVICES.items():
        properties = kind.model_json_schema(mode="validation")["properties"]
        settings: dict[str, Any] = {}
        secrets: dict[str, Any] = {}
        for field, schema in properties.items():
            variable = f"PURPOSEWATCH_{field.upper()}"
            if variable in taken or _FIXED.fullmatch(variable):
                continue
            if SecretStr in _types(kind.model_fields[field].annotation):
                secrets[variable] = {"$ref": "#/definitions/secret"}
            elif schema.get("format") != "path" and "path" not in str(schema.get("anyOf")):
                settings[variable] = _value(schema)
        found[f"{name}Settings"] = _closed(settings)
        found[f"{name}Secrets"] = _closed(secrets)
    return found


def _types(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__args__", (annotation,))


def _value(schema: dict[str, Any]) -> dict[str, Any]:
    """A setting's schema. A values file states the absence of a value by leaving it out."""
    [choice] = [each for each in schema.get("anyOf", [{}]) if each.get("type") != "null"]
    merged = {**schema, **choice}
    return {key: each for key, each in merged.items() if key not in {"anyOf", "title", "default"}}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}
