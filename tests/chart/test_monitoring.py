"""Rules, dashboards and targets are those of the files beside the chart."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.chart.render import ROOT, SERVICES, Manifest, named, of_kind, render
from tests.deploy.tools import require, run

RULES = sorted((ROOT / "deploy/prometheus/rules").glob("*.yaml"))
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))


def _groups(manifests: tuple[Manifest, ...]) -> dict[str, Any]:
    return {
        group["name"]: group
        for each in of_kind(manifests, "PrometheusRule")
        for group in each["spec"]["groups"]
    }


def test_every_rule_is_there_as_it_is_in_its_file() -> None:
    """All but the names of 0.1; expressions and templates are not touched."""
    expected = {
        group["name"]: group
        for path in RULES
        if path.stem != "renamed_metrics"
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    }
    found = _groups(render("plaintext"))
    del found["purposewatch-capacity"]
    assert found == expected


def test_alerts_link_to_the_runbooks_of_the_operator() -> None:
    """Without the address, the link is made with Prometheus's external label."""
    found = _groups(render("everything"))
    links = {
        rule["annotations"]["runbook_url"]
        for group in found.values()
        for rule in group["rules"]
        if "alert" in rule
    }
    assert "https://wiki.example/runbooks/PurposewatchTargetDown.md" in links
    assert all(each.startswith("https://wiki.example/runbooks/") for each in links)
    assert found.keys() > _groups(render("plaintext")).keys()  # those of renamed metrics as well


def test_capacity_alerts_fire_for_the_release_alone(tmp_path: Path) -> None:
    """A volume that fills, an autoscaler at its limit, a pod without a machine."""
    require("promtool")
    [group] = [
        each for name, each in _groups(render("plaintext")).items() if name.endswith("-capacity")
    ]
    (tmp_path / "capacity.yaml").write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
    tests = tmp_path / "tests.yaml"
    tests.write_bytes(Path(__file__).with_name("rules").joinpath("capacity.yaml").read_bytes())
    run("promtool", "test", "rules", str(tests))


def test_dashboards_are_the_files() -> None:
    """Each in a config map that Grafana's sidecar looks for, and that Kubernetes can hold."""
    maps = [
        each
        for each in of_kind(render("everything"), "ConfigMap")
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    held = {name: text for each in maps for name, text in each["data"].items()}
    assert held.keys() == {path.name for path in DASHBOARDS}
    for path in DASHBOARDS:
        assert json.loads(held[path.name]) == json.loads(path.read_text(encoding="utf-8"))
        assert len(held[path.name].encode()) < 1_000_000


def test_targets_have_the_names_that_rules_know() -> None:
    """Those of prometheus.yml; each monitor selects its Service, over TLS where that serves it."""
    manifests = render("everything")
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    jobs = {each["job_name"] for each in scraped["scrape_configs"]}
    for service in SERVICES:
        monitor = named(manifests, "ServiceMonitor", f"purposewatch-{service}")
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        [endpoint] = monitor["spec"]["endpoints"]
        assert endpoint["relabelings"] == [
            {"targetLabel": "job", "replacement": f"purposewatch-{service}"}
        ]
        assert f"purposewatch-{service}" in jobs
        assert endpoint.get("scheme", "http") == ("https" if service == "ingest" else "http")
        target = named(manifests, "Service", f"purposewatch-{service}")
        selector = monitor["spec"]["selector"]["matchLabels"]
        assert selector.items() <= target["metadata"]["labels"].items()
        assert endpoint["port"] in {port["name"] for port in target["spec"]["ports"]}
