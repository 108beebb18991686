"""The Helm chart, as far as it can be checked without Helm: `make check-chart` does the rest."""

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.helm.source.generate import SCHEMA, schema
from deploy.helm.source.settings import CHART, SERVICES, declared, set_by_chart
from purposewatch_policy import load_policies
from purposewatch_runtime.service import FileReloader

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
HELD: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
EXAMPLES = sorted((ROOT / "tests/chart/values").glob("*.yaml"))


def test_schema_of_the_values_is_fresh() -> None:
    """`make schemas` writes it, with the settings that the services declare."""
    assert SCHEMA.read_text(encoding="utf-8") == schema()


@pytest.mark.parametrize("path", [CHART / "values.yaml", *EXAMPLES], ids=lambda path: path.stem)
def test_values_have_the_schema(path: Path) -> None:
    """The defaults, and every example."""
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), HELD)


def test_values_of_the_page_have_the_schema() -> None:
    """The example of docs/production.md."""
    page = (ROOT / "docs/production.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    jsonschema.validate(yaml.safe_load(textwrap.dedent(example)), HELD)


def test_schema_describes_every_default() -> None:
    """A value that the schema does not know would be refused, so the defaults have them all."""
    described = HELD["properties"]
    assert described.keys() - {"global"} == VALUES.keys()
    for service in SERVICES:
        assert described[service]["properties"].keys() == VALUES[service].keys()


@pytest.mark.parametrize("service", SERVICES)
def test_compose_and_chart_set_what_the_service_declares(service: str) -> None:
    """What the compose file sets, the chart's templates set or its values may hold."""
    definitions = HELD["definitions"]
    free = {
        name
        for kind in ("Settings", "Secrets")
        for name in definitions[f"{service}{kind}"]["properties"]
    }
    own = declared(SERVICES[service])
    assert free <= own
    assert not free & set_by_chart()
    held = COMPOSE["services"][service]["environment"].keys()
    assert held <= own
    assert held <= free | set_by_chart()


def test_templates_set_only_what_some_service_declares() -> None:
    """A misspelt variable would have no effect."""
    assert set_by_chart() - frozenset().union(*map(declared, SERVICES.values())) == set()


def test_chart_has_the_version() -> None:
    """That of the images, so that its default tag is theirs."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_files_of_the_chart_are_those_of_the_repository() -> None:
    """Links, so that rules, dashboards, topics and rights are declared once."""
    links = [path for path in CHART.glob("files/*") if path.name != "capacity.yaml"]
    found = {path.name: path.resolve().relative_to(ROOT).as_posix() for path in links}
    assert found == {
        "acls.yaml": "deploy/kafka/acls.yaml",
        "dashboards": "deploy/grafana/dashboards",
        "rules": "deploy/prometheus/rules",
        "topics.yaml": "shared/contract/src/purposewatch_contract/topics.yaml",
    }
    assert all(path.is_symlink() and path.exists() for path in links)


@pytest.mark.parametrize("service", SERVICES)
def test_memory_limits_are_at_least_those_of_compose(service: str) -> None:
    """Which are known to suffice."""
    compose = COMPOSE["services"][service]["deploy"]["resources"]["limits"]["memory"]
    limits = VALUES[service]["resources"]["limits"]
    assert _mebibytes(limits["memory"].removesuffix("i")) >= _mebibytes(compose)


def _mebibytes(text: str) -> int:
    assert text.endswith("M")
    return int(text.removesuffix("M"))


def test_policies_of_a_config_map_are_reloaded(tmp_path: Path) -> None:
    """The kubelet writes a new directory, and then turns one symbolic link to it."""
    for name in ("vocabulary", "wework-labs"):
        _write_config_map(tmp_path / name, _texts(name), "..2026_03_01")
    policies = FileReloader(tmp_path, load_policies, interval=1, on_result=lambda _: None)
    [before] = policies.current.versions("wework-labs")
    assert policies.refresh() is False

    texts = _texts("wework-labs")
    [name] = [each for each in texts if each.startswith("policy.")]
    texts[name] += "\n# a comment\n"
    _write_config_map(tmp_path / "wework-labs", texts, "..2026_03_02")
    assert policies.refresh() is True
    [after] = policies.current.versions("wework-labs")
    assert after.policy == before.policy


def _texts(directory: str) -> dict[str, str]:
    held = (ROOT / "policies" / directory).glob("*.yaml")
    return {path.name: path.read_text(encoding="utf-8") for path in held}


def _write_config_map(mounted: Path, texts: dict[str, str], stamp: str) -> None:
    directory = mounted / stamp
    directory.mkdir(parents=True)
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
        if not (mounted / name).is_symlink():
            (mounted / name).symlink_to(f"..data/{name}")
    (mounted / "..data_tmp").symlink_to(stamp)
    (mounted / "..data_tmp").replace(mounted / "..data")
