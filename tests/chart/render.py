"""The chart as Helm renders it, where Helm is there: `make check-chart` builds it."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tests.harness.required import skip_without

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "purposewatch"
VALUES = Path(__file__).with_name("values")
EXAMPLES = tuple(sorted(path.stem for path in VALUES.glob("*.yaml")))
TOOLS = ROOT / "build" / "chart"
NAMESPACE = "privacy"
SERVICES = ("ingest", "auditor", "reporter")

Manifest: TypeAlias = dict[str, Any]


def tool(name: str) -> str:
    """The path of a program; skips the test without it, or fails it where it is required."""
    found = shutil.which(name, path=f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        skip_without(f"{name} not found; `make check-chart` builds it", "PURPOSEWATCH_REQUIRE_HELM")
    return found or ""


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm."""
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, check=False)


def template(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Render the chart with one of the examples' values and further options."""
    return helm(
        *("template", "purposewatch", str(CHART), "--namespace", NAMESPACE),
        *("--kube-version", "1.36.0", "--values", str(VALUES / f"{name}.yaml")),
        *options,
    )


@cache
def render(name: str, *options: str) -> tuple[Manifest, ...]:
    """Every manifest, for an example's values; do not change them."""
    done = template(name, *options)
    assert done.returncode == 0, done.stderr
    return tuple(each for each in yaml.safe_load_all(done.stdout) if each)


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def named(manifests: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    """The one of a kind and name."""
    [found] = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    return found


def pods(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """The pod of each workload by its component, with metadata and spec."""
    return {
        each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"][
            "template"
        ]
        for each in of_kind(manifests, "Deployment", "Job")
    }


def environment(pod: Manifest) -> dict[str, Any]:
    """The variables of a pod's container: their values, or where they come from."""
    [container] = pod["spec"]["containers"]
    held = [(each["name"], each.get("value", each.get("valueFrom"))) for each in container["env"]]
    assert len(dict(held)) == len(held), "a variable is set twice"
    return dict(held)
