"""The collector's configuration is sound, as far as can be told without a collector."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
CONNECTORS = ROOT / "connectors"
CONFIGURATION = yaml.safe_load(
    (CONNECTORS / "examples" / "collector.yaml").read_text(encoding="utf-8")
)


def test_pipelines_name_what_is_configured() -> None:
    """Every component of a pipeline, and every component is in one."""
    service = CONFIGURATION["service"]
    assert set(service["extensions"]) == CONFIGURATION["extensions"].keys()
    for kind in ("receivers", "processors", "exporters"):
        named = {each for pipeline in service["pipelines"].values() for each in pipeline[kind]}
        assert named == CONFIGURATION[kind].keys()


def test_what_is_filtered_out_is_what_the_receivers_ignore() -> None:
    """The conditions name attributes that the receivers look for, each of them."""
    processor = CONFIGURATION["processors"]["filter/accesses"]
    conditions = " ".join([*processor["traces"]["span"], *processor["logs"]["log_record"]])
    assert conditions.count("(") == conditions.count(")")
    named = set(re.findall(r'attributes\["([^"]+)"\] == nil', conditions))
    code = (CONNECTORS / "src/purposewatch_connect/otlp/conventions.py").read_text("utf-8")
    decided_by = set(re.findall(r'"([\w.]+)" in attributes', code))
    assert named == decided_by | {"purposewatch.data_categories"}
