"""The rules and their unit tests, read from their files."""

from collections.abc import Iterator
from typing import Any

import yaml

from tests.deploy.tools import ROOT, RULES

TESTS = ROOT / "deploy" / "prometheus" / "tests"


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of every file."""
    for path in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in rules() if "record" in rule}
RENAMED = {name for name, rule in RECORDED.items() if rule["expr"].startswith("purposewatch_")}
"""Old names of metrics, which nothing here may use any more."""


def unit_tests() -> Iterator[dict[str, Any]]:
    """Every unit test of the rules."""
    for path in sorted(TESTS.glob("*.yaml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
