"""Renders findings as SARIF 2.1.0, which code hosts and editors read."""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from purposewatch_policy.lint import RULES, Finding, LintResult, Rule, Severity
from purposewatch_policy.yaml_reader import Location

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_INDEX = {rule: index for index, rule in enumerate(RULES)}


def as_sarif(result: LintResult) -> dict[str, object]:
    """Return the log of one run. Accepted findings are in it as suppressed results."""
    driver = {
        "name": "purposewatch policy lint",
        "semanticVersion": version("purposewatch"),
        "rules": [_rule(rule) for rule in RULES.values()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding) for finding in result.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.title}. {rule.advice}"},
        "help": {"text": rule.advice},
        "defaultConfiguration": {"level": _level(rule.severity)},
        "properties": {"tags": ["privacy", *(["high-risk"] if rule.high_risk else [])]},
    }


def _result(finding: Finding) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": finding.rule.id,
        "ruleIndex": _INDEX[finding.rule.id],
        "level": _level(finding.severity),
        "message": {"text": "\n".join((finding.message, *finding.details))},
        "locations": [{"physicalLocation": _physical(finding.at)}],
        "partialFingerprints": {"purposewatchFinding/v1": _fingerprint(finding)},
        "suppressions": []
        if finding.accepted is None
        else [{"kind": "inSource", "justification": finding.accepted}],
    }
    if finding.related:
        result["relatedLocations"] = [
            {
                "id": number,
                "physicalLocation": _physical(each.at),
                "message": {"text": each.message},
            }
            for number, each in enumerate(finding.related, start=1)
        ]
    stated = {
        "controller": finding.controller,
        "version": finding.version,
        "statements": list(finding.statements),
        **finding.evidence,
    }
    if properties := {name: value for name, value in stated.items() if value}:
        result["properties"] = properties
    return result


def _level(severity: Severity) -> str:
    return str(severity)  # the names are SARIF's own


def _physical(at: Location) -> dict[str, object]:
    path = Path(at.path)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    physical: dict[str, object] = {"artifactLocation": {"uri": uri}}
    if at.line:
        physical["region"] = {"startLine": at.line, "startColumn": max(at.column, 1)}
    return physical


def _fingerprint(finding: Finding) -> str:
    """Identify a finding by what it is about, so that it stays the same when lines move."""
    about = [finding.rule.id, finding.controller or "", finding.version or ""]
    about.extend(finding.statements or (Path(finding.at.path).as_posix(), finding.message))
    return sha256("\0".join(about).encode()).hexdigest()
