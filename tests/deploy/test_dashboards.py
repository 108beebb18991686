"""The dashboards: as their source says, complete, and every query asked of a real Prometheus."""

import asyncio
import math
import re

import pytest
import yaml

from deploy.grafana.source.generate import as_json, dashboards
from purposewatch_runtime.metrics import (
    COUNTING_LATE_EVENTS,
    DECLARED,
    KAFKA_CERTIFICATE_EXPIRY,
    POLICY_BUNDLE_NUMBER,
    SIGNATURES_REFUSED,
)
from tests.deploy.dashboards import FILES, Panel, asked, models, panels
from tests.deploy.queries import known_labels, known_metrics, labels_in, metrics_in
from tests.deploy.rules import ALERTS, RECORDED
from tests.deploy.scene import Scene
from tests.deploy.tools import ROOT

PANELS = panels()
GRAFANA = ROOT / "deploy" / "grafana"


def test_the_files_are_what_the_source_makes() -> None:
    """`make dashboards` writes them; nobody edits them."""
    made = {path: as_json(each) for path, each in dashboards()}

    assert set(FILES) == set(made)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make dashboards`"


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_panel_is_complete(panel: Panel) -> None:
    """A unit, thresholds, a description that says what to do, and the chosen data source."""
    defaults = panel.model["fieldConfig"]["defaults"]

    if panel.model["type"] != "table":
        assert defaults["unit"]
    assert defaults["thresholds"]["steps"]
    assert len(panel.model["description"]) > 60
    assert panel.model["datasource"]["uid"] == "${datasource}"
    names = [target["refId"] for target in panel.model["targets"]]
    assert all(names)
    assert len(names) == len(set(names))
    if len(defaults["thresholds"]["steps"]) > 1 and panel.model["type"] == "stat":
        assert "Red" in panel.model["description"]


@pytest.mark.parametrize("panel", [p for p in PANELS if p.model["type"] == "table"], ids=str)
def test_table_formats_its_values_and_no_label(panel: Panel) -> None:
    """In a unit for every column, a label that looks like a number is shown as one: version 3."""
    assert "unit" not in panel.model["fieldConfig"]["defaults"]

    overrides = {
        each["matcher"]["options"]: each for each in panel.model["fieldConfig"]["overrides"]
    }
    given = {each["id"]: each["value"] for each in overrides["Value"]["properties"]}
    assert given["unit"]
    if "Red" in panel.model["description"]:
        assert given["custom.cellOptions"] == {"type": "color-text"}


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_every_series_has_a_name(panel: Panel) -> None:
    """Also the zero that stands for no series at all: it has the labels that the legend shows."""
    for target in panel.model["targets"]:
        if "vector(0)" in target["expr"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert f', "{label}", "none", "", "")' in target["expr"]
    if panel.model["type"] == "bargauge":
        [target] = panel.model["targets"]
        shown = panel.model["fieldConfig"]["defaults"]["displayName"]
        assert re.findall(r"{{(\w+)}}", target["legendFormat"]) == re.findall(
            r"\${__field\.labels\.(\w+)}", shown
        )


@pytest.mark.parametrize("panel", [p for p in PANELS if p.model["type"] == "timeseries"], ids=str)
def test_shares_are_seen_against_their_threshold(panel: Panel) -> None:
    """Grafana ends the axis at 100 for zeros, which for a share are 10000 %."""
    defaults = panel.model["fieldConfig"]["defaults"]

    if defaults["unit"] == "percentunit":
        assert defaults["custom"]["axisSoftMax"] == defaults["thresholds"]["steps"][-1]["value"]


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_panel_asks_for_what_there_is(panel: Panel) -> None:
    """Its metrics are declared or recorded, its labels are theirs, its runbooks exist."""
    for query in panel.queries:
        assert metrics_in(query)
        assert metrics_in(query) - known_metrics() == set()
        assert labels_in(query) - known_labels() == set()
    named = set(re.findall(r"Purposewatch[A-Z]\w+", panel.model["description"]))
    assert named - ALERTS.keys() == set()


def test_panels_have_titles_of_their_own() -> None:
    """A title on a dashboard names one panel, and no panel covers another."""
    for name, model in models():
        shown = [panel for panel in model["panels"] if panel["type"] != "row"]
        titles = [panel["title"] for panel in shown]
        assert len(titles) == len(set(titles)), name
        cells = [
            (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
            for panel in model["panels"]
            for x in range(panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells)), name
        assert max(x for x, _ in cells) < 24


def test_nothing_repeats_that_has_no_variable_to_repeat_for() -> None:
    """A panel with a direction alone is drawn over the whole width, whatever its place says."""
    for name, model in models():
        for panel in model["panels"]:
            assert "repeatDirection" not in panel or "repeat" in panel, f"{name}: {panel['title']}"


def test_variables_are_told_apart() -> None:
    """By their names: of variables with the same id, Grafana keeps the last one alone."""
    for name, model in models():
        variables = model["templating"]["list"]
        names = [variable["name"] for variable in variables]
        assert len(names) == len(set(names)), name
        assert not any("id" in variable for variable in variables), name


def test_texts_have_a_value_at_first() -> None:
    """Without one, Grafana 11 begins with an empty text, and links lead to Grafana itself."""
    for name, model in models():
        for variable in model["templating"]["list"]:
            if variable["type"] == "textbox":
                assert variable["current"]["value"] == variable["query"], name


def test_provisioning_has_every_directory() -> None:
    """Grafana logs an error at every start for each one that is missing."""
    for kind in ("alerting", "dashboards", "datasources", "plugins"):
        files = list((GRAFANA / "provisioning" / kind).glob("*.yaml"))
        assert files, kind
        for path in files:
            assert yaml.safe_load(path.read_text(encoding="utf-8"))["apiVersion"] == 1


def test_provisioning_finds_the_dashboards() -> None:
    """Grafana is told of the data source and of the directory that the compose file mounts."""
    sources = GRAFANA / "provisioning" / "datasources" / "prometheus.yaml"
    provider = GRAFANA / "provisioning" / "dashboards" / "purposewatch.yaml"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounted = {
        volume["source"]: volume["target"]
        for volume in compose["services"]["grafana"]["volumes"]
        if isinstance(volume, dict)
    }

    [source] = yaml.safe_load(sources.read_text(encoding="utf-8"))["datasources"]
    [found] = yaml.safe_load(provider.read_text(encoding="utf-8"))["providers"]
    assert source["type"] == "prometheus"
    assert found["options"]["path"] == mounted["./deploy/grafana/dashboards"]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("panel", PANELS, ids=str)
async def test_panel_shows_something(scene: Scene, panel: Panel) -> None:
    """Each of its queries has an answer from services under traffic, and not only NaN."""
    for query in panel.queries:
        samples = await scene.prometheus.query(query)
        assert samples, f"nothing for {query}"
        values = [float(sample["value"][1]) for sample in samples]
        assert any(math.isfinite(value) for value in values), f"only {values} for {query}"


@pytest.mark.asyncio(loop_scope="session")
async def test_variables_and_annotations_have_answers(scene: Scene) -> None:
    """Each variable has values to choose from; the marks' query is one that Prometheus takes."""
    for _, model in models():
        for variable in model["templating"]["list"]:
            if variable["type"] != "query":
                continue
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found is not None
            values = await scene.prometheus.ask(f"label/{found[2]}/values", **{"match[]": found[1]})
            assert values, variable["query"]
        for annotation in model["annotations"]["list"]:
            await scene.prometheus.query(asked(annotation["expr"]))


@pytest.mark.asyncio(loop_scope="session")
async def test_prometheus_evaluates_every_rule(scene: Scene) -> None:
    """All of them are loaded and healthy, and every recording rule records something."""
    groups = (await scene.prometheus.ask("rules"))["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]

    assert {rule["name"] for rule in loaded} == ALERTS.keys() | RECORDED.keys()
    assert [rule["name"] for rule in loaded if rule["health"] != "ok"] == []
    for name in RECORDED:
        values = [float(each["value"][1]) for each in await scene.prometheus.query(name)]
        assert any(math.isfinite(value) for value in values), f"only {values} for {name}"


@pytest.mark.asyncio(loop_scope="session")
async def test_every_declared_metric_reaches_prometheus(scene: Scene) -> None:
    """A metric that no service under traffic exports is declared in vain."""
    names = set(await scene.prometheus.ask("label/__name__/values"))
    missing = {name for name in known_metrics() if name not in names}
    # no connector runs in this scene
    missing -= {spec.exported_name for spec in DECLARED if spec.services == ("connect",)}

    # Kafka is reached without TLS
    missing -= {KAFKA_CERTIFICATE_EXPIRY.exported_name}

    # no event is late, and records are not signed
    missing -= {COUNTING_LATE_EVENTS.exported_name, SIGNATURES_REFUSED.exported_name}

    # policies are plain files
    missing -= {POLICY_BUNDLE_NUMBER.exported_name}

    # nothing was replaced: no metric had too many series
    assert missing <= {"purposewatch_metric_labels_replaced_total"}


@pytest.mark.asyncio(loop_scope="session")
async def test_strangers_add_no_series(scene: Scene) -> None:
    """Hundreds of invented publishers, controllers and roles do not change the series of ingest."""
    template = (
        '{{"specversion":"1.0","id":"stranger-{n}","source":"/stranger-{n}/x",'
        '"type":"purposewatch.data_access.v1","time":"2026-03-02T08:15:00Z",'
        '"data":{{"controller":"c-{n}","role":"r{n}","operation":"use","purpose":"p{n}",'
        '"recipient":"q{n}","data_categories":["x{n}"],"subject_id":"s"}}}}'
    )
    for n in range(300):
        await scene.producer.send_and_wait(scene.raw_topic, template.format(n=n).encode())
    refused = (
        'sum(purposewatch_ingest_events_refused_total{publisher="_unregistered",transport="kafka"})'
    )
    samples = await scene.prometheus.query(f"{refused} >= 300")
    for _ in range(60):
        if samples:
            break
        await asyncio.sleep(0.5)
        samples = await scene.prometheus.query(f"{refused} >= 300")

    assert samples
    for service in ("ingest", "auditor", "reporter"):
        text = await scene.metrics(service)
        assert "stranger" not in text
        assert '"c-' not in text
