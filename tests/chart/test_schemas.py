"""Manifests have the schemas of their kinds: of several Kubernetes versions, and of operators."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.render import EXAMPLES, TOOLS, Manifest, render
from tests.harness.required import skip_without

VERSIONS = ("1.31.0", "1.33.0", "1.35.0", "1.37.0")
CHECKOV = Path(__file__).resolve().parents[2] / "deploy/helm/check/checkov.yaml"


@cache
def _definitions() -> dict[tuple[str, str], dict[str, Any]]:
    """The schema of each kind of the operators, without room for other fields."""
    found = {}
    for path in (TOOLS / "crds").glob("*.yaml"):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in spec["versions"]:
            schema = _closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    if not found:
        skip_without("no definitions; `make check-chart` brings them", "PURPOSEWATCH_REQUIRE_HELM")
    return found


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as Kubernetes checks it strictly: a field that it does not name is an error."""
    made = dict(schema)
    if made.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "pattern" in made:  # Go allows flags behind the anchor, Python only before it
        made["pattern"] = made["pattern"].replace("^(?i)", "(?i)^")
    if "properties" in made:
        made["properties"] = {name: _closed(each) for name, each in made["properties"].items()}
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = made.get("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _closed(made[key])
    return made


def _program(name: str) -> str:
    path = TOOLS / "venv" / "bin" / name
    if not path.exists():
        skip_without(f"{name} not found; `make check-chart` brings it", "PURPOSEWATCH_REQUIRE_HELM")
    return str(path)


def _of_operators(manifest: Manifest) -> bool:
    return (manifest["apiVersion"], manifest["kind"]) in _definitions()


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> str:
    """One of the examples."""
    return str(request.param)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(example: str, version: str, tmp_path: Path) -> None:
    """From the oldest version that the chart supports to the newest."""
    own = [each for each in render(example) if not _of_operators(each)]
    path = tmp_path / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(own), encoding="utf-8")
    command = [_program("kubernetes-validate"), "-k", version, "--strict", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_operators_know_every_field(example: str) -> None:
    """Those of Strimzi, KEDA, CloudNativePG and the Prometheus operator."""
    for manifest in render(example):
        if _of_operators(manifest):
            jsonschema.validate(manifest, _definitions()[manifest["apiVersion"], manifest["kind"]])
        else:
            assert "." not in manifest["apiVersion"].partition("/")[0].removesuffix(".k8s.io")


def test_a_field_that_an_operator_does_not_know_is_found() -> None:
    """The check is not blind."""
    [kafka] = [each for each in render("everything") if each["kind"] == "Kafka"]
    wrong = json.loads(json.dumps(kafka))
    wrong["spec"]["kafka"]["listener"] = []
    with pytest.raises(jsonschema.ValidationError, match="listener"):
        jsonschema.validate(wrong, _definitions()[kafka["apiVersion"], "Kafka"])


def test_checkov_finds_nothing(example: str, tmp_path: Path) -> None:
    """But what its configuration leaves out with a reason. Images have a digest, as they should."""
    manifests = [_with_digest(each) for each in render(example)]
    path = tmp_path / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    command = [
        _program("checkov"),
        "--config-file",
        str(CHECKOV),
        "--output",
        "json",
        "-f",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    failed = {each["check_id"] for each in report["results"]["failed_checks"]}
    # network policies are left to the operator there
    assert failed == ({"CKV2_K8S_6"} if example == "client-certificates" else set())
    assert report["summary"]["passed"] > 100
    assert report["summary"]["parsing_errors"] == 0


def _with_digest(manifest: Manifest) -> Manifest:
    made: Manifest = json.loads(json.dumps(manifest))
    if made["kind"] in {"Deployment", "Job"}:
        [container] = made["spec"]["template"]["spec"]["containers"]
        if "@" not in container["image"]:
            container["image"] += "@sha256:" + "0" * 64
    return made
