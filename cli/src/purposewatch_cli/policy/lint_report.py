"""Renders findings for a reader, and as JSON."""

from collections import Counter

from rich.console import Console
from rich.text import Text

from purposewatch_cli.terminal import printable
from purposewatch_policy.lint import Finding, LintResult, Severity
from purposewatch_policy.yaml_reader import Location

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}

_LENGTH = 2_000


MAX_NOTES = 3
"""More notes of one rule than these are shown as one count."""


def show(console: Console, result: LintResult, *, verbose: bool = False) -> None:
    """Print errors, warnings and notes, what was checked, and the counts.

    Unless `verbose`, many notes of the same rule are shown as a count for each file.
    """
    notes = Counter(each.rule.id for each in result.findings if _is_plain_note(each))
    grouped = {rule for rule, number in notes.items() if number > MAX_NOTES and not verbose}
    for severity in Severity:
        for finding in result.findings:
            in_group = _is_plain_note(finding) and finding.rule.id in grouped
            if finding.severity is severity and not in_group:
                _show_finding(console, finding)
    for rule in sorted(grouped):
        _show_group(
            console,
            [each for each in result.findings if _is_plain_note(each) and each.rule.id == rule],
        )
    for controller, version, statements in result.policies:
        console.print(Text(f"{controller} {printable(version)}: {statements} statements"))
    counts = [(each, result.count(each)) for each in Severity]
    summary = Text(", ").join(
        Text(_counted(number, severity), style=STYLES[severity])
        for severity, number in counts
        if number
    )
    risks = sum(each.rule.high_risk and each.accepted is None for each in result.findings)
    if not summary:
        summary = Text("no findings", style="bold green")
    if risks:
        summary.append(f"; {_counted(risks, 'high risk')}", style="bold red")
    if result.accepted:
        summary.append(f"; {result.accepted} accepted", style="dim")
    console.print(summary)


def as_json(result: LintResult) -> dict[str, object]:
    """Return everything that was found as one JSON object."""
    return {
        "findings": [_finding(each) for each in result.findings],
        "policies": [
            {"controller": controller, "version": version, "statements": statements}
            for controller, version, statements in result.policies
        ],
        "counts": {
            **{severity.value: result.count(severity) for severity in Severity},
            "accepted": result.accepted,
        },
    }


def _show_finding(console: Console, finding: Finding) -> None:
    accepted = finding.accepted is not None
    line = Text(f"{printable(_place(finding.at))}: ")
    style = "dim" if accepted else STYLES[finding.severity]
    line.append(f"{'accepted ' if accepted else ''}{finding.severity}", style=style)
    line.append(f"[{finding.rule.id}]: ", style=style)
    if finding.rule.high_risk:
        line.append("high risk: ", style="dim" if accepted else "bold red")
    line.append(printable(finding.message, limit=_LENGTH))
    console.print(line, soft_wrap=True)
    for related in finding.related:
        _show_detail(console, f"{_place(related.at)}: {related.message}")
    for detail in finding.details:
        _show_detail(console, detail)
    if finding.accepted is not None:
        _show_detail(console, f"accepted: {finding.accepted}")


def _is_plain_note(finding: Finding) -> bool:
    """Whether it may be counted: what is accepted has a reason of its own that is shown."""
    return finding.severity is Severity.NOTE and finding.accepted is None


def _show_group(console: Console, findings: list[Finding]) -> None:
    first = findings[0]
    line = Text(f"{first.severity}[{first.rule.id}]: ", style=STYLES[first.severity])
    title = f"{first.rule.title}: {len(findings)} times; `--verbose` shows each"
    console.print(line.append(title, style="default"), soft_wrap=True)
    for path, number in Counter(each.at.path for each in findings).items():
        _show_detail(console, f"{path}: {number}")


def _show_detail(console: Console, text: str) -> None:
    line = Text(f"    {printable(text, limit=_LENGTH)}", style="dim")
    console.print(line, soft_wrap=True)


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule.id,
        "severity": finding.severity.value,
        "high_risk": finding.rule.high_risk,
        **_location(finding.at),
        "message": finding.message,
        "details": list(finding.details),
        "controller": finding.controller,
        "version": finding.version,
        "statements": list(finding.statements),
        "evidence": dict(finding.evidence),
        "related": [{**_location(each.at), "message": each.message} for each in finding.related],
        "accepted": finding.accepted,
    }


def _location(at: Location) -> dict[str, object]:
    return {"path": at.path, "line": at.line, "column": at.column}


def _place(at: Location) -> str:
    return f"{at}:{at.column}" if at.line and at.column else str(at)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
